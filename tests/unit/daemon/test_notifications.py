from __future__ import annotations

from fwhelpers.daemon.notifications import NotificationHub
from fwhelpers.dbus.service.control import Notification, NotificationKind


def test_every_subscriber_gets_later_notifications() -> None:
    hub = NotificationHub()
    first: list[Notification] = []
    second: list[Notification] = []
    hub.subscribe(first.append)
    hub.publish(Notification(NotificationKind.HELPER_FAILED, "ftp"))
    hub.subscribe(second.append)
    hub.publish(Notification(NotificationKind.HELPER_FAILED, "rpc"))
    assert [notification.name for notification in first] == ["ftp", "rpc"]
    assert [notification.name for notification in second] == ["rpc"]
