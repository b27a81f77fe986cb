"""Delivers notifications about the service to those who subscribed."""

from __future__ import annotations

from collections.abc import Callable

from fwhelpers.dbus.service.control import Notification

Listener = Callable[[Notification], None]


class NotificationHub:
    def __init__(self) -> None:
        self._listeners: list[Listener] = []

    def subscribe(self, listener: Listener) -> None:
        """Call `listener` with each later notification."""
        self._listeners.append(listener)

    def publish(self, notification: Notification) -> None:
        for listener in self._listeners:
            listener(notification)
