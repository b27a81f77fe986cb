"""The manager on the bus: descriptions of the installed helpers, and enabling them all or nothing."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from message_bus import BusClient, MessageBus

from fwhelpers import config
from fwhelpers.config import overrides
from fwhelpers.daemon.control import DaemonControl
from fwhelpers.daemon.errors import StartError
from fwhelpers.daemon.notifications import NotificationHub
from fwhelpers.daemon.state import Snapshot
from fwhelpers.dbus import names
from fwhelpers.dbus.connection import Connection
from fwhelpers.dbus.errors import BusError
from fwhelpers.dbus.service.control import ControlError
from fwhelpers.dbus.service.server import Server
from fwhelpers.events.stream import EventStream
from fwhelpers.plugin import manager as plugins

WORKER = {
    "queue": 1000, "pid": 7, "ready": True, "restarts": 0, "packets": 40, "overflows": 0,
    "cpu_seconds": 1.5, "waiting_bytes": 0, "buffer_bytes": 1024,
}  # fmt: skip

NOT_THERE_YET = {
    "org.freedesktop.DBus.Error.NameHasNoOwner",
    "org.freedesktop.DBus.Error.ServiceUnknown",
}


class FakeManager:
    """The part of the manager that `DaemonControl` uses; applies every configuration unless it `fails`."""

    def __init__(self, directory: Path) -> None:
        self.fails = ""
        self.totals: dict[str, Counter[str]] = {}
        self.events = EventStream()
        self.notifications = NotificationHub()
        self._overrides: dict[str, bool] = {}
        self._directory = directory
        self._files = config.load(directory)
        self._plugins = plugins.load()
        workers = SimpleNamespace(totals=lambda: self.totals, status=lambda: [WORKER])
        self.state = Snapshot(self._resolve({}), self._plugins, {}, workers, None)  # type: ignore[arg-type]

    def _resolve(self, helper_overrides: dict[str, bool]) -> config.Config:
        return config.resolve(
            overrides.apply_overrides(self._files, helper_overrides), self._plugins.helpers
        )

    async def enable(self, name: str, enabled: bool) -> None:
        helper_overrides = {**self._overrides, name: enabled}
        resolved = self._resolve(helper_overrides)
        if self.fails:
            raise StartError(self.fails)
        self._overrides = helper_overrides
        self.state = self.state._replace(config=resolved)

    async def reload(self) -> None:
        self._files = config.load(self._directory)
        self._overrides = {}
        self.state = self.state._replace(config=self._resolve({}))

    @property
    def enabled(self) -> list[str]:
        return list(self.state.config.helpers)


@pytest.fixture
def manager(tmp_path: Path) -> FakeManager:
    (tmp_path / "fwhelpers.toml").write_text("[helpers.ftp]\n")
    return FakeManager(tmp_path)


@pytest.fixture
def public(manager: FakeManager, tmp_path: Path) -> DaemonControl:
    return DaemonControl(manager, tmp_path)  # type: ignore[arg-type]


def test_what_the_installed_helpers_say_goes_over_the_bus(
    public: DaemonControl, bus: MessageBus
) -> None:
    async def scenario() -> list[Any]:
        serving = asyncio.ensure_future(Server(public, public.events, bus.address).run())
        client = BusClient(await Connection.open(bus.address))
        try:
            await client.connection.add_match("type='signal',member='NameOwnerChanged'")
            while True:
                try:
                    (helpers,) = await client.manager("ListHelpers")
                    break
                except BusError as error:
                    if error.name not in NOT_THERE_YET:
                        raise
                    await asyncio.sleep(0.05)
            (objects,) = await client.call(names.OBJECT_MANAGER, "GetManagedObjects")
            assert len(objects) == len(helpers) + 1  # the worker
            for plugin in (await client.manager("ListPlugins"))[0]:
                assert plugin["state"] == "loaded"
            return list(helpers)
        finally:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
            client.connection.close()

    helpers = asyncio.run(scenario())
    by_name = {helper["name"]: helper for helper in helpers}
    assert by_name["ftp"]["enabled"]
    assert not by_name["rpc"]["enabled"]
    for name, helper in plugins.load().helpers.items():
        assert by_name[name]["description"] == helper.doc
        assert by_name[name]["default_ports"] == list(helper.ports)


def test_rates_are_those_since_the_last_samples(
    manager: FakeManager, public: DaemonControl, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SimpleNamespace(monotonic=lambda: clock.now, now=100.0)
    monkeypatch.setattr("fwhelpers.daemon.control.time", clock)
    assert public.rates() == {}
    public._rates.add(public._totals(), clock.now)
    manager.totals = {"fw-ftp": Counter(expected=5)}
    clock.now = 110.0
    rates = public.rates()
    assert rates["helper", "ftp"] == {"expected": 0.5}
    assert rates["worker", "1000"] == {"packets": 0.0, "overflows": 0.0, "cpu_seconds": 0.0}


def test_switched_until_reload(manager: FakeManager, public: DaemonControl) -> None:
    async def scenario() -> None:
        assert await public.enable("rpc", True, False) == {
            "name": "rpc", "enabled": True, "drop_in": "",
        }  # fmt: skip
        await public.enable("ftp", False, False)
        assert manager.enabled == ["rpc"]
        assert await public.reload() == {"helpers": ["ftp"]}

    asyncio.run(scenario())


def test_switched_for_good(manager: FakeManager, public: DaemonControl, tmp_path: Path) -> None:
    async def scenario() -> None:
        done = await public.enable("rpc", True, True)
        await public.enable("ftp", False, True)
        assert done["drop_in"] == str(tmp_path / "conf.d" / overrides.FILE)
        assert await public.reload() == {"helpers": ["rpc"]}

    asyncio.run(scenario())


def error_of(public: DaemonControl, name: str, persist: bool = True) -> ControlError:
    with pytest.raises(ControlError) as caught:
        asyncio.run(public.enable(name, True, persist))
    return caught.value


def test_nothing_is_half_done(manager: FakeManager, public: DaemonControl, tmp_path: Path) -> None:
    assert error_of(public, "nosuch").name == names.NO_SUCH_HELPER
    manager.fails = "nftables: no"
    error = error_of(public, "rpc")
    assert (error.name, str(error)) == (names.NOT_APPLIED, "nftables: no")
    manager.fails = ""
    assert not list((tmp_path / "conf.d").glob("*"))
    assert manager.enabled == ["ftp"]
    clash = "[helpers.rpc]\nenabled = false\nports = [21]\n"
    (tmp_path / "conf.d" / "a.toml").write_text(clash)
    asyncio.run(public.reload())
    error = error_of(public, "rpc")
    assert error.name == names.INVALID_CONFIGURATION
    assert "tcp port 21 is already used by ftp" in str(error)
    assert manager.enabled == ["ftp"]
    assert [file.name for file in (tmp_path / "conf.d").iterdir()] == ["a.toml"]


def test_where_it_can_t_be_kept_nothing_changes(
    manager: FakeManager, public: DaemonControl, tmp_path: Path
) -> None:
    (tmp_path / "conf.d").write_text("")
    assert error_of(public, "rpc").name == names.NOT_PERSISTED
    assert manager.enabled == ["ftp"]
