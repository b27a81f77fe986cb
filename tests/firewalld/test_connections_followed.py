"""The real NetworkManager: connections, types, bridges and renames are followed; its zones come through firewalld."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from lab.firewalld import Firewalld
from lab.networkmanager import NetworkManager
from test_follow import Watcher, play

from fwhelpers.cli import common, providers
from fwhelpers.networkmanager.references import interfaces as interfaces_of
from fwhelpers.plugin import manager as plugins

HELPERS = plugins.load().helpers
NAMED = '[helpers.ftp]\ninterfaces = ["eth9", {}]\n'


@pytest.fixture(scope="module")
def manager(firewalld: Firewalld) -> NetworkManager:
    made = NetworkManager(firewalld.lab)
    made.add("Office", "ethernet", "lan")
    made.add("Home net", "ethernet", "wan")
    return made


@pytest.fixture(autouse=True)
def address(firewalld: Firewalld, monkeypatch: pytest.MonkeyPatch) -> None:
    bus = firewalld.lab.namespaces["g"].path("/run/lab/bus")
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={bus}")


def interfaces(watch: Watcher) -> tuple[str, ...]:
    return watch.effective().helpers["ftp"].interfaces


async def until(watch: Watcher, wanted: tuple[str, ...]) -> None:
    """Changes come in several steps; wait for the one that matters."""
    async with asyncio.timeout(30):
        while interfaces(watch) != wanted:
            await watch.heard("")


def test_connections_up_and_down(firewalld: Firewalld, manager: NetworkManager) -> None:
    async def script(watch: Watcher) -> None:
        assert interfaces(watch) == ("eth9",)
        await asyncio.to_thread(manager.cmd, "connection", "up", "Home net")
        await until(watch, ("eth9", "wan"))
        await asyncio.to_thread(manager.cmd, "connection", "down", "Home net")
        await until(watch, ("eth9",))

    play(firewalld, script, NAMED.format('"connection:Home net"'))


def test_bridges_vpn_and_renames(firewalld: Firewalld, manager: NetworkManager) -> None:
    lab = firewalld.lab

    async def script(watch: Watcher) -> None:
        await asyncio.to_thread(manager.add, "Guests", "bridge", "br0")
        await asyncio.to_thread(manager.cmd, "connection", "up", "Guests")
        await until(watch, ("br0", "eth9"))
        await asyncio.to_thread(lab.run, "g", "ip", "link", "set", "br0", "down")
        await asyncio.to_thread(lab.run, "g", "ip", "link", "set", "br0", "name", "guests")
        await until(watch, ("eth9", "guests"))
        await asyncio.to_thread(lab.run, "g", "ip", "link", "delete", "guests")
        await until(watch, ("eth9",))
        await asyncio.to_thread(lab.run, "g", "ip", "tuntap", "add", "tun7", "mode", "tun")
        await until(watch, ("eth9", "tun7"))
        await asyncio.to_thread(lab.run, "g", "ip", "link", "delete", "tun7")
        await until(watch, ("eth9",))

    play(firewalld, script, NAMED.format('"type:bridge", "type:vpn"'))


def test_restart_keeps_what_it_said(
    firewalld: Firewalld, manager: NetworkManager, caplog: pytest.LogCaptureFixture
) -> None:
    async def script(watch: Watcher) -> None:
        await asyncio.to_thread(manager.cmd, "connection", "up", "Office")
        await until(watch, ("eth9", "lan"))
        await asyncio.to_thread(manager.process.stop)
        await watch.heard("NetworkManager gone")
        assert interfaces(watch) == ("eth9", "lan")
        await asyncio.to_thread(manager.start)
        await watch.heard("NetworkManager started")
        assert interfaces(watch) == ("eth9", "lan"), "what is up is not taken for down at its start"
        await until(watch, ("eth9", "lan"))

    play(firewalld, script, NAMED.format('"connection:Office"'))
    said = "NetworkManager is gone; what it had up stays in force until it returns"
    assert [r.getMessage() for r in caplog.records].count(said) == 1


def test_a_start_without_it(
    firewalld: Firewalld, manager: NetworkManager, caplog: pytest.LogCaptureFixture
) -> None:
    manager.cmd("connection", "up", "Office")
    manager.process.stop()

    async def script(watch: Watcher) -> None:
        assert interfaces(watch) == ("eth9",)
        await asyncio.to_thread(manager.start)
        await until(watch, ("eth9", "lan"))

    caplog.set_level("INFO")
    play(firewalld, script, NAMED.format('"connection:Office"'))
    said = "NetworkManager does not run yet, so no interface is connection:Office"
    assert [r.getMessage() for r in caplog.records].count(said) == 1


def test_commands_ask_as_well(
    firewalld: Firewalld, manager: NetworkManager, tmp_path: Path
) -> None:
    manager.cmd("connection", "up", "Office")
    links = providers.ask(providers.links)
    assert links is not None
    assert {"Office", "Home net"} <= set(links.profiles.values())
    assert interfaces_of("connection:Office", links.devices) == ["lan"]
    (tmp_path / "fwhelpers.toml").write_text(NAMED.format('"connection:Office"'))
    found, notes = providers.now(common.read(tmp_path))
    assert not notes
    assert found.config.helpers["ftp"].interfaces == ("eth9", "lan")


def test_a_profiles_zone_comes_through_firewalld(
    firewalld: Firewalld, manager: NetworkManager
) -> None:
    async def script(watch: Watcher) -> None:
        await watch.cmd("--permanent", "--zone=home", "--add-service=fw-ssdp")
        await watch.change("--reload")
        await asyncio.to_thread(
            manager.cmd, "connection", "modify", "Office", "connection.zone", "home"
        )
        await asyncio.to_thread(manager.cmd, "connection", "up", "Office")
        async with asyncio.timeout(30):
            while "ssdp >home" not in watch.acts():
                await watch.heard("")
        await asyncio.to_thread(
            manager.cmd, "connection", "modify", "Office", "connection.zone", "work"
        )
        async with asyncio.timeout(30):
            while "ssdp >home" in watch.acts():
                await watch.heard("")

    play(firewalld, script)


def test_what_a_reload_names_first_is_asked_then(
    firewalld: Firewalld, manager: NetworkManager
) -> None:
    async def script(watch: Watcher) -> None:
        await asyncio.to_thread(manager.cmd, "connection", "up", "Office")
        watch.reload(NAMED.format('"connection:Office"'))
        await until(watch, ("eth9", "lan"))

    play(firewalld, script)
