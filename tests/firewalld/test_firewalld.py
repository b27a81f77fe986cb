"""Each change of a real firewalld is followed. No helper is used that requires registration."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import pytest
from lab.firewalld import Firewalld

from fwhelpers import config
from fwhelpers.config import Config, HelperConfig
from fwhelpers.daemon.providers import Change, ProviderEvent, Providers
from fwhelpers.firewalld import client
from fwhelpers.plugin import manager as plugins

HELPERS = plugins.load().helpers
Script = Callable[["Watcher"], Awaitable[None]]


class Watcher:
    """Providers whose changes can be awaited."""

    def __init__(self, firewalld: Firewalld, toml: str = "") -> None:
        self._firewalld = firewalld
        self._changes: asyncio.Queue[set[Change]] = asyncio.Queue()
        self.providers = Providers()
        self._lasting: Mapping[str, HelperConfig] = {}
        self.reload(toml)

    def reload(self, toml: str) -> None:
        """Switch to another configuration."""
        self._base = config.resolve(config.parse([("f", toml)]), HELPERS)
        self.effective()

    def effective(self) -> Config:
        self.providers.require(self._base)
        effective = self.providers.apply(self._base, HELPERS, self._lasting)
        self._lasting = effective.retained
        return effective

    async def follow(self) -> None:
        """Put all changes into the queue."""
        async for change in self.providers.changes():
            self._changes.put_nowait(change)

    def assignments(self) -> set[str]:
        """Helpers with their zones."""
        acts = self.effective().scope.assignments
        return {f"{act.helper} {act.source}>{act.target}" for act in acts}

    async def cmd(self, *arguments: str) -> None:
        await asyncio.to_thread(self._firewalld.cmd, *arguments)

    async def change(self, *arguments: str) -> None:
        """Run firewall-cmd and wait for the change."""
        while not self._changes.empty():
            self._changes.get_nowait()
        await self.cmd(*arguments)
        while await asyncio.wait_for(self._changes.get(), 30) == {ProviderEvent.CONFIGURATION}:
            pass

    async def wait(self, change: Change | None = None) -> None:
        """Wait for this change, or for any."""
        while change not in {None, *await asyncio.wait_for(self._changes.get(), 60)}:
            pass

    async def until(self, assignments: set[str]) -> None:
        """Wait until exactly these helpers are assigned."""
        while self.assignments() != assignments:
            await self.wait()


def play(firewalld: Firewalld, script: Script, toml: str = "") -> None:
    async def run() -> None:
        watcher = Watcher(firewalld, toml)
        await watcher.providers.start()
        following = asyncio.get_running_loop().create_task(watcher.follow())
        try:
            await script(watcher)
        finally:
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)

    asyncio.run(run())


@pytest.fixture(autouse=True)
def address(firewalld: Firewalld, monkeypatch: pytest.MonkeyPatch) -> None:
    bus = firewalld.lab.namespaces["g"].path("/run/lab/bus")
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={bus}")


def test_our_files_are_valid_and_loaded(firewalld: Firewalld) -> None:
    assert firewalld.cmd("--check-config").stdout.strip() == "success"
    services = set(firewalld.cmd("--get-services").stdout.split())
    assert {"fw-nfs3", "fw-discovery", "fw-tns", "fw-ftp", "fw-ftp-client", "fw-dhcpv6"} <= services
    assert {f"fw-{name}" for name in HELPERS} <= set(firewalld.cmd("--get-helpers").stdout.split())


def test_services_interfaces_and_sources_are_followed(firewalld: Firewalld) -> None:
    async def script(watch: Watcher) -> None:
        assert watch.assignments() == set()
        await watch.change("--zone=home", "--add-service=fw-ssdp")
        assert watch.assignments() == set()  # nothing belongs to home yet
        await watch.change("--zone=home", "--add-interface=lan")
        assert watch.assignments() == {"ssdp >home"}
        await watch.change("--zone=work", "--change-interface=lan")
        assert watch.assignments() == set()
        await watch.change("--zone=home", "--add-source=10.0.0.0/8")
        assert watch.assignments() == {"ssdp >home"}
        await watch.change("--zone=home", "--remove-source=10.0.0.0/8")
        assert watch.assignments() == set()
        await watch.change("--zone=work", "--add-service=fw-mdns", "--timeout=2")
        assert watch.assignments() == {"mdns >work"}
        while watch.assignments():
            await watch.wait(client.Change.SETTINGS)
        await watch.change("--reload")
        assert watch.effective().scope.members == ()

    play(firewalld, script)


def test_the_default_zone_is_followed(firewalld: Firewalld) -> None:
    async def script(watch: Watcher) -> None:
        # not at run time: firewalld 2.3 reloads when the default zone changes
        await watch.cmd("--permanent", "--zone=home", "--add-service=fw-ssdp")
        await watch.change("--reload")
        assert watch.assignments() == set()
        await watch.cmd("--set-default-zone=home")
        await watch.until({"ssdp >home"})
        await watch.cmd("--set-default-zone=public")
        await watch.until(set())
        await watch.cmd("--permanent", "--zone=home", "--remove-service=fw-ssdp")
        await watch.change("--reload")

    play(firewalld, script)


def test_policies_and_rich_rules_are_followed(firewalld: Firewalld) -> None:
    async def script(watch: Watcher) -> None:
        await watch.cmd("--permanent", "--new-policy=out")
        await watch.cmd("--permanent", "--policy=out", "--add-ingress-zone=HOST")
        await watch.cmd("--permanent", "--policy=out", "--add-egress-zone=ANY")
        await watch.change("--reload")
        assert watch.assignments() == set()
        await watch.change("--policy=out", "--add-service=fw-coap")
        assert watch.assignments() == {"coap >public"}
        await watch.change("--policy=out", "--remove-service=fw-coap")
        rule = 'rule family="ipv4" service name="fw-slp" accept'
        await watch.change("--zone=public", f"--add-rich-rule={rule}")
        assert watch.assignments() == {"slp >public"}
        await watch.cmd("--permanent", "--delete-policy=out")
        await watch.change("--reload")
        assert watch.assignments() == set()

    play(firewalld, script)


def test_ignored_helpers_and_follow_false(firewalld: Firewalld) -> None:
    async def script(watch: Watcher) -> None:
        await watch.change("--zone=public", "--add-service=fw-discovery")
        assert watch.assignments()
        assert "ssdp >public" not in watch.assignments()

    play(firewalld, script, '[firewalld]\nignore = ["ssdp"]\n')
    off = Watcher(firewalld, "[firewalld]\nfollow = false\n")
    asyncio.run(off.providers.start())
    assert off.assignments() == set()
    firewalld.lab.namespaces["g"].path("/run/lab/fwhelpers").mkdir()
    assert "ssdp" in firewalld.zones()


def test_zones_stay_active_while_firewalld_is_stopped(firewalld: Firewalld) -> None:
    async def script(watch: Watcher) -> None:
        await watch.cmd("--permanent", "--zone=public", "--add-service=fw-wsd")
        await watch.change("--reload")
        assert watch.assignments() == {"wsd >public"}
        firewalld.crash()
        await watch.wait(client.Change.STOPPED)
        assert watch.assignments() == {"wsd >public"}
        await asyncio.to_thread(firewalld.start)
        await watch.wait(client.Change.STARTED)
        assert watch.assignments() == {"wsd >public"}
        await watch.cmd("--permanent", "--zone=public", "--remove-service=fw-wsd")
        await asyncio.to_thread(firewalld.stop)
        await watch.wait(client.Change.STOPPED)
        assert watch.assignments() == {"wsd >public"}
        await asyncio.to_thread(firewalld.start)
        await watch.wait(client.Change.STARTED)
        assert watch.assignments() == set()

    play(firewalld, script)
