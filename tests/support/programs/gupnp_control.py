"""A control point by GUPnP: `python gupnp_control.py ADDRESS SERVICE VARIABLE` tells what it finds, and each event."""

from __future__ import annotations

import sys
from typing import Any

import gi

gi.require_version("GUPnP", "1.6")
gi.require_version("GSSDP", "1.6")
from gi.repository import GSSDP, Gio, GLib, GObject, GUPnP  # noqa: E402


def say(*words: object) -> None:
    print(*words, flush=True)


def main(address: str, service: str, variable: str) -> None:
    own = Gio.InetAddress.new_from_string(address)
    context = GUPnP.Context.new_for_address(own, 0, GSSDP.UDAVersion.VERSION_1_0)
    control = GUPnP.ControlPoint.new(context, service)
    proxies = []

    def available(_: Any, proxy: Any) -> None:
        say("found", proxy.get_location())
        proxies.append(proxy)
        proxy.connect("subscription-lost", lambda _, error: say("lost", error))
        proxy.add_notify(variable, GObject.TYPE_UINT, lambda *event: say("event", event[1]), None)
        proxy.set_subscribed(True)

    control.connect("service-proxy-available", available)
    control.set_active(True)
    say("searching")
    GLib.MainLoop().run()


if __name__ == "__main__":
    main(*sys.argv[1:])
