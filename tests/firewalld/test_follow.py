"""Every change in firewalld is heard, and what comes of it is right. No helper is used that needs registration."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from lab.firewalld import Firewalld

from fwhelpers import config
from fwhelpers.config import Config
from fwhelpers.daemon.providers import Providers
from fwhelpers.plugin import manager as plugins

HELPERS = plugins.load().helpers
Script = Callable[["Watcher"], Awaitable[None]]


class Watcher:
    """Surroundings whose changes can be waited for."""

    def __init__(self, firewalld: Firewalld, toml: str = "") -> None:
        self._firewalld = firewalld
        self._heard: asyncio.Queue[set[str]] = asyncio.Queue()
        self.surroundings = Providers(self._heard.put)
        self.reload(toml)

    def reload(self, toml: str) -> None:
        """Go over to another configuration."""
        self._base = config.resolve(config.parse([("f", toml)]), HELPERS)
        self.effective()

    def effective(self) -> Config:
        return self.surroundings.adapt(self._base, HELPERS)

    def acts(self) -> set[str]:
        """helper, and the zone or zones."""
        acts = self.effective().scope.acts
        return {f"{act.helper} {act.source}>{act.target}" for act in acts}

    async def cmd(self, *arguments: str) -> None:
        await asyncio.to_thread(self._firewalld.cmd, *arguments)

    async def change(self, *arguments: str) -> set[str]:
        """Change something; what was heard of it."""
        while not self._heard.empty():
            self._heard.get_nowait()
        await self.cmd(*arguments)
        while (heard := await asyncio.wait_for(self._heard.get(), 30)) == {"configuration"}:
            pass
        return heard

    async def heard(self, what: str) -> None:
        """Wait for it."""
        while what not in {"", *await asyncio.wait_for(self._heard.get(), 60)}:
            pass


def play(firewalld: Firewalld, script: Script, toml: str = "") -> None:
    async def run() -> None:
        watcher = Watcher(firewalld, toml)
        await watcher.surroundings.start()
        following = asyncio.get_running_loop().create_task(watcher.surroundings.run())
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


def test_the_files_are_valid_and_known(firewalld: Firewalld) -> None:
    assert firewalld.cmd("--check-config").stdout.strip() == "success"
    services = set(firewalld.cmd("--get-services").stdout.split())
    assert {"fw-nfs3", "fw-discovery", "fw-tns", "fw-ftp", "fw-ftp-client", "fw-dhcpv6"} <= services
    assert {f"fw-{name}" for name in HELPERS} <= set(firewalld.cmd("--get-helpers").stdout.split())


def test_services_interfaces_sources_and_the_default_zone(firewalld: Firewalld) -> None:
    async def script(watch: Watcher) -> None:
        assert watch.acts() == set()
        await watch.change("--zone=home", "--add-service=fw-ssdp")
        assert watch.acts() == set()  # nothing belongs to home yet
        await watch.change("--zone=home", "--add-interface=lan")
        assert watch.acts() == {"ssdp >home"}
        await watch.change("--zone=work", "--change-interface=lan")
        assert watch.acts() == set()
        await watch.change("--zone=home", "--add-source=10.0.0.0/8")
        assert watch.acts() == {"ssdp >home"}
        await watch.change("--zone=home", "--remove-source=10.0.0.0/8")
        assert watch.acts() == set()
        await watch.change("--set-default-zone=home")
        assert watch.acts() == {"ssdp >home"}
        await watch.change("--set-default-zone=public")
        await watch.change("--zone=work", "--add-service=fw-mdns", "--timeout=2")
        assert watch.acts() == {"mdns >work"}
        await watch.heard("ServiceRemoved")
        assert watch.acts() == set()
        await watch.change("--reload")
        assert watch.effective().scope.members == ()

    play(firewalld, script)


def test_policies_and_rich_rules(firewalld: Firewalld) -> None:
    async def script(watch: Watcher) -> None:
        await watch.cmd("--permanent", "--new-policy=out")
        await watch.cmd("--permanent", "--policy=out", "--add-ingress-zone=HOST")
        await watch.cmd("--permanent", "--policy=out", "--add-egress-zone=ANY")
        await watch.change("--reload")
        assert watch.acts() == set()
        await watch.change("--policy=out", "--add-service=fw-coap")
        assert watch.acts() == {"coap >public"}
        await watch.change("--policy=out", "--remove-service=fw-coap")
        rule = 'rule family="ipv4" service name="fw-slp" accept'
        await watch.change("--zone=public", f"--add-rich-rule={rule}")
        assert watch.acts() == {"slp >public"}
        await watch.cmd("--permanent", "--delete-policy=out")
        await watch.change("--reload")
        assert watch.acts() == set()

    play(firewalld, script)


def test_ignored_and_not_followed(firewalld: Firewalld) -> None:
    async def script(watch: Watcher) -> None:
        await watch.change("--zone=public", "--add-service=fw-discovery")
        assert watch.acts()
        assert "ssdp >public" not in watch.acts()

    play(firewalld, script, '[firewalld]\nignore = ["ssdp"]\n')
    off = Watcher(firewalld, "[firewalld]\nfollow = false\n")
    asyncio.run(off.surroundings.start())
    assert off.acts() == set()
    firewalld.lab.namespaces["g"].path("/run/lab/fwhelpers").mkdir()
    assert "ssdp" in firewalld.zones()


def test_gone_keeps_what_was_in_force(firewalld: Firewalld) -> None:
    async def script(watch: Watcher) -> None:
        await watch.cmd("--permanent", "--zone=public", "--add-service=fw-wsd")
        await watch.change("--reload")
        assert watch.acts() == {"wsd >public"}
        firewalld.crash()
        await watch.heard("gone")
        assert watch.acts() == {"wsd >public"}
        await asyncio.to_thread(firewalld.start)
        await watch.heard("started")
        assert watch.acts() == {"wsd >public"}
        await watch.cmd("--permanent", "--zone=public", "--remove-service=fw-wsd")
        await asyncio.to_thread(firewalld.stop)
        await watch.heard("gone")
        assert watch.acts() == {"wsd >public"}
        await asyncio.to_thread(firewalld.start)
        await watch.heard("started")
        assert watch.acts() == set()

    play(firewalld, script)
