"""Profiles, types, bridges and renames of a real NetworkManager are followed; zones by way of firewalld."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from lab.firewalld import Firewalld
from lab.networkmanager import NetworkManager
from test_firewalld import Watcher, play

from fwhelpers.cli import common, providers
from fwhelpers.networkmanager import client
from fwhelpers.networkmanager.references import interfaces as matching_interfaces
from fwhelpers.plugin import manager as plugins

HELPERS = plugins.load().helpers
NAMED = '[helpers.ftp]\ninterfaces = ["eth9", {}]\n'


@pytest.fixture(scope="module")
def manager(firewalld: Firewalld) -> NetworkManager:
    manager = NetworkManager(firewalld.lab)
    manager.add("Office", "ethernet", "lan")
    manager.add("Home net", "ethernet", "wan")
    return manager


@pytest.fixture(autouse=True)
def address(firewalld: Firewalld, monkeypatch: pytest.MonkeyPatch) -> None:
    bus = firewalld.lab.namespaces["g"].path("/run/lab/bus")
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={bus}")


def interfaces(watch: Watcher) -> tuple[str, ...]:
    return watch.effective().helpers["ftp"].interfaces


async def until(watch: Watcher, expected: tuple[str, ...]) -> None:
    """Wait until the helper has these interfaces; a change comes in several steps."""
    async with asyncio.timeout(30):
        while interfaces(watch) != expected:
            await watch.wait()


def test_profiles_are_activated_and_deactivated(
    firewalld: Firewalld, manager: NetworkManager
) -> None:
    async def script(watch: Watcher) -> None:
        assert interfaces(watch) == ("eth9",)
        await asyncio.to_thread(manager.cmd, "connection", "up", "Home net")
        await until(watch, ("eth9", "wan"))
        await asyncio.to_thread(manager.cmd, "connection", "down", "Home net")
        await until(watch, ("eth9",))

    play(firewalld, script, NAMED.format('"profile:Home net"'))


def test_bridges_tunnels_and_renames(firewalld: Firewalld, manager: NetworkManager) -> None:
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


def test_interfaces_are_kept_while_networkmanager_restarts(
    firewalld: Firewalld, manager: NetworkManager, caplog: pytest.LogCaptureFixture
) -> None:
    async def script(watch: Watcher) -> None:
        await asyncio.to_thread(manager.cmd, "connection", "up", "Office")
        await until(watch, ("eth9", "lan"))
        await asyncio.to_thread(manager.process.stop)
        await watch.wait(client.Change.STOPPED)
        assert interfaces(watch) == ("eth9", "lan")
        await asyncio.to_thread(manager.start)
        await watch.wait(client.Change.STARTED)
        assert interfaces(watch) == ("eth9", "lan"), "active profiles stay active while it starts"
        await until(watch, ("eth9", "lan"))

    play(firewalld, script, NAMED.format('"profile:Office"'))
    message = "NetworkManager stopped; its devices stay in force until it returns"
    assert [r.getMessage() for r in caplog.records].count(message) == 1


def test_a_start_before_networkmanager(
    firewalld: Firewalld, manager: NetworkManager, caplog: pytest.LogCaptureFixture
) -> None:
    manager.cmd("connection", "up", "Office")
    manager.process.stop()

    async def script(watch: Watcher) -> None:
        assert interfaces(watch) == ("eth9",)
        await asyncio.to_thread(manager.start)
        await until(watch, ("eth9", "lan"))

    caplog.set_level("INFO")
    play(firewalld, script, NAMED.format('"profile:Office"'))
    message = "NetworkManager is not running; profile:Office match no interface yet"
    assert [r.getMessage() for r in caplog.records].count(message) == 1


def test_commands_query_networkmanager(
    firewalld: Firewalld, manager: NetworkManager, tmp_path: Path
) -> None:
    manager.cmd("connection", "up", "Office")
    answer = providers.query_networkmanager()
    assert answer is not None
    assert {"Office", "Home net"} <= set(answer.profiles.values())
    assert matching_interfaces("profile:Office", answer.devices) == ["lan"]
    (tmp_path / "fwhelpers.toml").write_text(NAMED.format('"profile:Office"'))
    setup, notes = providers.effective(common.read(tmp_path))
    assert not notes
    assert setup.config.helpers["ftp"].interfaces == ("eth9", "lan")


def test_the_zone_of_a_profile_reaches_us_through_firewalld(
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
            while "ssdp >home" not in watch.assignments():
                await watch.wait()
        await asyncio.to_thread(
            manager.cmd, "connection", "modify", "Office", "connection.zone", "work"
        )
        async with asyncio.timeout(30):
            while "ssdp >home" in watch.assignments():
                await watch.wait()

    play(firewalld, script)


def test_a_reference_added_by_a_reload_is_resolved(
    firewalld: Firewalld, manager: NetworkManager
) -> None:
    async def script(watch: Watcher) -> None:
        await asyncio.to_thread(manager.cmd, "connection", "up", "Office")
        watch.reload(NAMED.format('"profile:Office"'))
        await until(watch, ("eth9", "lan"))

    play(firewalld, script)
