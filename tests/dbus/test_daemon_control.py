"""The daemon's own face to the bus: what installed helpers say of themselves, and switching all or nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from message_bus import BusClient, MessageBus

from fwhelpers import config
from fwhelpers.config import overrides
from fwhelpers.daemon.control import DaemonControl
from fwhelpers.daemon.errors import StartError
from fwhelpers.daemon.state import Snapshot
from fwhelpers.daemon.supervisor import OnMessage
from fwhelpers.dbus import names
from fwhelpers.dbus.connection import Connection
from fwhelpers.dbus.errors import BusError
from fwhelpers.dbus.service.control import ControlError
from fwhelpers.dbus.service.server import Server
from fwhelpers.plugin import manager as plugins


class Daemon:
    """As much of the daemon as `DaemonControl` needs; it goes over to whatever configuration it is given."""

    def __init__(self, directory: Path) -> None:
        self.switches: dict[str, bool] = {}
        self.fails = ""
        self.on_message: OnMessage = lambda queue, message: None
        self._directory = directory
        self._draft = config.load(directory)
        self._plugins = plugins.load()
        workers = SimpleNamespace(totals=dict, status=list)
        self.state = Snapshot(self._resolve(), self._plugins, {}, workers, None)  # type: ignore[arg-type]

    def _resolve(self) -> config.Config:
        return config.resolve(
            overrides.apply_overrides(self._draft, self.switches), self._plugins.helpers
        )

    def listen(self, listener: Callable[[Any], None]) -> None:
        pass

    def name_of(self, kernel_name: str) -> str:
        return kernel_name

    async def refresh(self) -> None:
        wanted = self._resolve()
        if self.fails:
            raise StartError(self.fails)
        self.state = self.state._replace(config=wanted)

    async def reload(self) -> None:
        self._draft = config.load(self._directory)
        self.switches = {}
        await self.refresh()

    @property
    def enabled(self) -> list[str]:
        return list(self.state.config.helpers)


@pytest.fixture
def daemon(tmp_path: Path) -> Daemon:
    (tmp_path / "fwhelpers.toml").write_text("[helpers.ftp]\n")
    return Daemon(tmp_path)


@pytest.fixture
def public(daemon: Daemon, tmp_path: Path) -> DaemonControl:
    return DaemonControl(daemon, tmp_path)  # type: ignore[arg-type]


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
                except BusError:  # it is not there yet
                    await asyncio.sleep(0.05)
            (objects,) = await client.call(names.OBJECT_MANAGER, "GetManagedObjects")
            assert len(objects) == len(helpers)
            for plugin in (await client.manager("ListPlugins"))[0]:
                assert plugin["state"] == "loaded"
            return list(helpers)
        finally:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)
            client.connection.close()

    helpers = asyncio.run(scenario())
    said = {helper["name"]: helper for helper in helpers}
    assert said["ftp"]["enabled"]
    assert not said["rpc"]["enabled"]
    for name, helper in plugins.load().helpers.items():
        assert said[name]["description"] == helper.doc
        assert said[name]["default_ports"] == list(helper.ports)


def test_switched_until_reload(daemon: Daemon, public: DaemonControl) -> None:
    async def scenario() -> None:
        assert await public.enable("rpc", True, False) == {
            "name": "rpc", "enabled": True, "persisted": "",
        }  # fmt: skip
        await public.enable("ftp", False, False)
        assert daemon.enabled == ["rpc"]
        assert await public.reload() == {"helpers": ["ftp"]}

    asyncio.run(scenario())


def test_switched_for_good(daemon: Daemon, public: DaemonControl, tmp_path: Path) -> None:
    async def scenario() -> None:
        done = await public.enable("rpc", True, True)
        await public.enable("ftp", False, True)
        assert done["persisted"] == str(tmp_path / "conf.d" / overrides.FILE)
        assert await public.reload() == {"helpers": ["rpc"]}

    asyncio.run(scenario())


def error_of(public: DaemonControl, name: str, persist: bool = True) -> ControlError:
    with pytest.raises(ControlError) as caught:
        asyncio.run(public.enable(name, True, persist))
    return caught.value


def test_nothing_is_half_done(daemon: Daemon, public: DaemonControl, tmp_path: Path) -> None:
    assert error_of(public, "nosuch").name == names.NO_SUCH_HELPER
    daemon.fails = "nftables: no"
    error = error_of(public, "rpc")
    assert (error.name, str(error)) == (names.NOT_APPLIED, "nftables: no")
    daemon.fails = ""
    assert not list((tmp_path / "conf.d").glob("*"))
    assert daemon.switches == {}
    clash = "[helpers.rpc]\nenabled = false\nports = [21]\n"
    (tmp_path / "conf.d" / "a.toml").write_text(clash)
    asyncio.run(public.reload())
    error = error_of(public, "rpc")
    assert error.name == names.BAD_CONFIGURATION
    assert "tcp port 21 belongs to ftp as well" in str(error)
    assert daemon.enabled == ["ftp"]
    assert [file.name for file in (tmp_path / "conf.d").iterdir()] == ["a.toml"]


def test_where_it_can_t_be_kept_nothing_changes(
    daemon: Daemon, public: DaemonControl, tmp_path: Path
) -> None:
    (tmp_path / "conf.d").write_text("")
    assert error_of(public, "rpc").name == names.NOT_PERSISTED
    assert daemon.enabled == ["ftp"]
