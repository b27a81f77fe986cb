"""Clients that are not ours: they list, subscribe, enable, and see the service as any other."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import textwrap

import pytest
from message_bus import MessageBus, Program

from fwhelpers.dbus import names

pytestmark = [
    pytest.mark.usefixtures("service"),
    pytest.mark.skipif(os.geteuid() != 0, reason="without polkit only root may do all of this"),
]


def run(bus: MessageBus, *argv: str) -> str:
    if shutil.which(argv[0]) is None:
        pytest.skip(f"no {argv[0]}")
    done = subprocess.run(
        argv, capture_output=True, text=True, check=False, env={**os.environ, **bus.env}, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


class TestBusctl:
    def busctl(self, bus: MessageBus, *argv: str) -> str:
        return run(bus, "busctl", f"--address={bus.address}", *argv)

    def test_tree(self, bus: MessageBus) -> None:
        shown = self.busctl(bus, "tree", "--list", names.NAME)
        assert names.helper_path("a.b-c") in shown.split()
        assert names.worker_path(1000) in shown.split()

    def test_introspect(self, bus: MessageBus) -> None:
        shown = self.busctl(bus, "introspect", names.NAME, names.PATH, names.MANAGER)
        assert re.search(r"\.EnableHelper +method +sa\{sv\} +a\{sv\}", shown)
        assert re.search(r'\.Version +property +s +"9" +const', shown)
        assert re.search(r"\.WorkerRestarted +signal +oa\{sv\}", shown)

    def test_enable(self, bus: MessageBus) -> None:
        call = ("call", names.NAME, names.PATH, names.MANAGER)
        shown = self.busctl(
            bus, *call, "EnableHelper", "sa{sv}", "rpc", "1", "persist", "b", "true"
        )
        assert '"enabled" b true' in shown
        path = names.helper_path("rpc")
        shown = self.busctl(bus, "get-property", names.NAME, path, names.HELPER, "Enabled")
        assert shown == "b true\n"


class TestGdbus:
    def gdbus(self, bus: MessageBus, verb: str, *argv: str) -> str:
        return run(bus, "gdbus", verb, "--address", bus.address, "--dest", names.NAME, *argv)

    def test_call(self, bus: MessageBus) -> None:
        member = ("--object-path", names.PATH, "--method", f"{names.MANAGER}.GetCounters")
        shown = self.gdbus(bus, "call", *member)
        assert "'ftp': {'expected': uint64 3, 'refused': 1}" in shown

    def test_introspect(self, bus: MessageBus) -> None:
        shown = self.gdbus(bus, "introspect", "--recurse", "--object-path", names.PATH)
        assert f"interface {names.WORKER}" in shown
        assert "readonly u Queue = 1000;" in shown


PYTHON_DBUS = """
    import sys, warnings
    warnings.simplefilter("ignore")
    import dbus, dbus.mainloop.glib
    from gi.repository import GLib
    dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
    bus = dbus.bus.BusConnection(sys.argv[1])
    name, path = sys.argv[2:]
    loop = GLib.MainLoop()
    def told(holes):
        print("created", holes[0]["helper"], holes[0]["destination"], holes[0]["master"]["transport"])
        loop.quit()
    bus.add_signal_receiver(told, "Created", name + ".Expectations", name, path)
    manager = dbus.Interface(bus.get_object(name, path), name + ".Manager")
    print("helpers", *(h["name"] for h in manager.ListHelpers()))
    print("enabled", manager.EnableHelper("rpc", {"persist": True})["drop_in"])
    try:
        manager.Reload({})
    except dbus.DBusException as error:
        print("error", error.get_dbus_name())
    dbus.Interface(bus.get_object(name, path), name + ".Expectations").Subscribe(
        dbus.Dictionary(signature="sv"))
    print("subscribed", flush=True)
    GLib.timeout_add_seconds(60, loop.quit)
    loop.run()
"""

DASBUS = """
    import sys, warnings
    warnings.simplefilter("ignore")
    from dasbus.connection import AddressedMessageBus
    from dasbus.loop import EventLoop
    from gi.repository import GLib
    name, path = sys.argv[2:]
    bus = AddressedMessageBus(sys.argv[1])
    manager = bus.get_proxy(name, path, name + ".Manager")
    expectations = bus.get_proxy(name, path, name + ".Expectations")
    loop = EventLoop()
    def told(holes):
        print("created", *(holes[0][k].unpack() for k in ("helper", "destination")),
              holes[0]["master"].unpack()["transport"])
        loop.quit()
    expectations.Created.connect(told)
    print("helpers", *(h["name"].unpack() for h in manager.ListHelpers()))
    print("enabled", manager.EnableHelper("rpc", {"persist": GLib.Variant("b", True)})["drop_in"].unpack())
    try:
        manager.Reload({})
    except Exception as error:
        print("error", getattr(error, "dbus_name", "") or type(error).__name__)
    expectations.Subscribe({})
    print("subscribed", flush=True)
    GLib.timeout_add_seconds(60, loop.quit)
    loop.run()
"""


@pytest.mark.parametrize(("module", "script"), [("dbus", PYTHON_DBUS), ("dasbus", DASBUS)])
def test_a_python_client_lists_enables_and_subscribes(
    service: Program, bus: MessageBus, module: str, script: str
) -> None:
    python = "/usr/bin/python3"  # the distribution's: it has GLib
    there = subprocess.run(
        [python, "-c", f"import {module}, gi"], capture_output=True, check=False
    ).returncode
    if there != 0:
        pytest.skip(f"no {module} for {python} (apt-get install python3-{module} python3-gi)")
    assert sys.executable
    client = Program(python, "-c", textwrap.dedent(script), bus.address, names.NAME, names.PATH)
    try:
        client.wait_line("^subscribed")
        service.command(do="create", first=0, count=1)
        client.wait_line("^created")
        lines = [line for line in client.lines if line]
        assert lines[0] == "helpers ftp rpc a.b-c"
        assert lines[1] == "enabled /file"
        assert lines[2].startswith("error ")
        assert lines[-1] == "created ftp 10.0.2.2 tcp"
    finally:
        client.end()
