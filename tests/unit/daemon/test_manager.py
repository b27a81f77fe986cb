"""The manager's life cycle and changes, with a simulated kernel; the reconciler's steps have tests of their own."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fwhelpers.api import Helper
from fwhelpers.config import Config, ConfigError, HelperConfig
from fwhelpers.daemon import manager as module
from fwhelpers.daemon import reconciler
from fwhelpers.daemon.errors import StartError
from fwhelpers.daemon.manager import Manager
from fwhelpers.dbus.service.control import Notification, NotificationKind
from fwhelpers.firewalld.client import Change
from fwhelpers.kernel.nft import NftError
from fwhelpers.worker.messages import FlowReport, ReportKind, Restarted

Script = Callable[[Manager], Awaitable[None]]


class FakeProviders:
    """Adds a zone's helper to the configuration."""

    def __init__(self) -> None:
        self.zone_helper = ""
        self.steps: list[str] = []
        self.lasting: Mapping[str, HelperConfig] = {}

    def require(self, config: Config) -> None:
        self.steps.append("require")

    async def start(self) -> None:
        self.steps.append("start")

    async def changes(self) -> AsyncGenerator[set[Change], None]:
        yield set()

    def apply(
        self, config: Config, helpers: Mapping[str, Helper], lasting: Mapping[str, HelperConfig]
    ) -> Config:
        self.lasting = lasting
        if not self.zone_helper:
            return config
        added = HelperConfig(self.zone_helper, (7,))
        return module.replace(
            config,
            helpers={**config.helpers, self.zone_helper: added},
            retained={self.zone_helper: added},
        )


class FakeTable:
    """Holds the rules that were loaded."""

    nft = None

    def __init__(self, store: object = None) -> None:
        self.rules = ""
        self.error: Exception | None = None
        self.steps: list[str] = []

    def load(self, rules: str) -> None:
        if self.error:
            raise self.error
        self.rules = rules

    def store_fd(self) -> None:
        self.steps.append("store")

    def close(self) -> None:
        self.steps.append("close")

    def remove(self, teardown: str) -> None:
        self.steps.append("remove")


class FakeWorkers:
    """Always ready."""

    supervised = True

    def __init__(self, *arguments: object) -> None:
        self.steps: list[str] = []

    def __len__(self) -> int:
        return 1

    def grow(self, first: int, count: int, fail_open: bool) -> None:
        pass

    async def configure(self, config: object) -> None:
        self.steps.append("configure")

    async def shrink(self, count: int) -> None:
        self.steps.append(f"shrink {count}")

    async def hand_over(self) -> None:
        self.steps.append("hand over")

    def set_addresses(self, table: object) -> None:
        self.steps.append("addresses")

    def totals(self) -> dict[str, Any]:
        return {}

    def status(self) -> list[Any]:
        return []


class FakeAddresses:
    """Reports at the start, as the real one."""

    def __init__(self, on_change: Callable[[object], None]) -> None:
        self._on_change = on_change

    async def start(self) -> None:
        self._on_change(None)

    async def stop(self) -> None:
        pass


@pytest.fixture
def providers() -> FakeProviders:
    return FakeProviders()


@pytest.fixture
def manager(tmp_path: Path, providers: FakeProviders, monkeypatch: pytest.MonkeyPatch) -> Manager:
    monkeypatch.setattr(module, "OwnedTable", FakeTable)
    monkeypatch.setattr(module, "WorkerPool", FakeWorkers)
    monkeypatch.setattr(module, "AddressWatch", FakeAddresses)
    queues: Any = SimpleNamespace(set_queues=lambda queues: None, disable_all=lambda: None)
    monkeypatch.setattr(module, "CtHelperTable", lambda: queues)
    monkeypatch.setattr(reconciler, "register", lambda helpers, nft: {})
    for name in ("load_modules", "drop_privileges"):
        monkeypatch.setattr(module, name, lambda *arguments: None)
    monkeypatch.setattr(module, "has_net_admin", lambda: True)
    write(tmp_path, "ftp")
    faked: Any = providers
    return Manager(tmp_path, faked, tmp_path / "run")


def write(directory: Path, *helpers: str) -> None:
    text = "".join(f"[helpers.{name}]\n" for name in helpers)
    (directory / "fwhelpers.toml").write_text(text)


def run(manager: Manager, script: Script) -> None:
    async def scenario() -> None:
        try:
            await manager.start()
            await script(manager)
        finally:
            await manager.stop()

    asyncio.run(scenario())


def rules(manager: Manager) -> str:
    table: Any = manager._table
    return str(table.rules)


def test_start_asks_the_providers_before_rules_are_loaded(
    manager: Manager, providers: FakeProviders
) -> None:
    providers.zone_helper = "tftp"

    async def script(manager: Manager) -> None:
        assert providers.steps[:2] == ["require", "start"]
        assert list(manager.state.helpers) == ["ftp", "tftp"]

    run(manager, script)


def test_workers_get_the_addresses_before_their_configuration(manager: Manager) -> None:
    workers: Any = manager._workers
    run(manager, nothing)
    assert workers.steps[:2] == ["addresses", "configure"]


def test_a_wrong_configuration_stops_the_start_before_anything_is_changed(
    manager: Manager, tmp_path: Path
) -> None:
    (tmp_path / "fwhelpers.toml").write_text("[helpers.ftp]\nports = [0]\n")

    async def script(manager: Manager) -> None:
        raise AssertionError

    with pytest.raises(ConfigError):
        run(manager, script)
    assert not manager._reconciler.registered


def test_without_rights_the_start_fails_with_a_hint(
    manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "has_net_admin", lambda: False)
    with pytest.raises(StartError, match="CAP_NET_ADMIN") as caught:
        asyncio.run(manager.start())
    assert caught.value.hint


def test_a_reload_may_be_requested_as_soon_as_the_service_is_ready(
    manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a handler SIGHUP ends the process, and systemd takes that for a clean end."""
    handlers: list[object] = []
    monkeypatch.setattr(
        manager._status, "ready", lambda state: handlers.append(signal.getsignal(signal.SIGHUP))
    )
    run(manager, nothing)
    assert signal.SIG_DFL not in handlers
    assert len(handlers) == 1


def test_a_reload_does_not_report_the_end_of_another(
    manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    states: list[str] = []

    async def script(manager: Manager) -> None:
        monkeypatch.setattr(manager._notifier, "reloading", lambda: states.append("reloading"))
        monkeypatch.setattr(manager._status, "ready", lambda state: states.append("ready"))
        await asyncio.gather(manager.reload(), manager.reload())

    run(manager, script)
    assert states == ["reloading", "ready"] * 2


def test_an_override_lasts_until_the_next_reload(manager: Manager) -> None:
    async def script(manager: Manager) -> None:
        await manager.enable("rpc", True)
        await manager.enable("ftp", False)
        assert list(manager.state.helpers) == ["rpc"]
        await manager.reload()
        assert list(manager.state.helpers) == ["ftp"]

    run(manager, script)


def test_a_failed_change_keeps_configuration_and_overrides(
    manager: Manager, tmp_path: Path
) -> None:
    async def script(manager: Manager) -> None:
        table: Any = manager._table
        await manager.enable("rpc", True)
        applied, loaded = manager.state, rules(manager)
        table.error = NftError("no memory")
        with pytest.raises(StartError):
            await manager.enable("tns", True)
        write(tmp_path, "tftp")
        with pytest.raises(StartError):
            await manager.reload()
        (tmp_path / "fwhelpers.toml").write_text("[helpers.nope]\n")
        with pytest.raises(ConfigError):
            await manager.reload()
        assert manager.state == applied
        assert rules(manager) == loaded
        table.error = None
        await manager.enable("sane", True)
        assert list(manager.state.helpers) == ["ftp", "rpc", "sane"]

    run(manager, script)


def test_a_change_of_a_zone_is_applied_and_its_flows_keep_their_helper(
    manager: Manager, providers: FakeProviders
) -> None:
    async def script(manager: Manager) -> None:
        providers.zone_helper = "tftp"
        await manager._on_provider_change({Change.SETTINGS})
        assert list(manager.state.helpers) == ["ftp", "tftp"]
        providers.zone_helper = ""
        await manager._on_provider_change({Change.SETTINGS})
        assert list(providers.lasting) == ["tftp"]
        assert list(manager.state.helpers) == ["ftp"]

    run(manager, script)


def test_a_zone_that_cannot_be_applied_is_logged(
    manager: Manager, providers: FakeProviders, caplog: pytest.LogCaptureFixture
) -> None:
    async def script(manager: Manager) -> None:
        table: Any = manager._table
        table.error = NftError("no memory")
        providers.zone_helper = "tftp"
        await manager._on_provider_change({Change.SETTINGS})
        table.error = None
        assert list(manager.state.helpers) == ["ftp"]

    run(manager, script)
    assert "firewalld changed: keeping the former configuration: no memory" in caplog.messages


def test_an_unforeseen_error_of_a_change_ends_neither_the_service_nor_the_following_of_changes(
    manager: Manager,
    providers: FakeProviders,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*arguments: Any, **options: Any) -> Any:
        raise RuntimeError("a bug")

    async def script(manager: Manager) -> None:
        for attribute in ("_read", "_resolve"):
            with monkeypatch.context() as patch:
                patch.setattr(manager, attribute, fail)
                await manager._try_reload()
        with monkeypatch.context() as patch:
            patch.setattr(manager, "_resolve", fail)
            await manager._on_provider_change({Change.SETTINGS})
        providers.zone_helper = "tftp"
        await manager._on_provider_change({Change.SETTINGS})
        assert list(manager.state.helpers) == ["ftp", "tftp"]

    run(manager, script)
    failures = [m for m in caplog.messages if m.endswith("keeping the former configuration")]
    assert len(failures) == 3


def test_a_reload_of_firewalld_verifies_the_kernel_s_state(manager: Manager) -> None:
    async def script(manager: Manager) -> None:
        table: Any = manager._table
        table.rules = ""
        await manager._on_provider_change({Change.SETTINGS})
        assert rules(manager) == ""
        await manager._on_provider_change({Change.RELOADED})
        assert "fw-ftp" in rules(manager)

    run(manager, script)


def test_clients_are_notified(manager: Manager, monkeypatch: pytest.MonkeyPatch) -> None:
    notifications: list[Notification] = []

    async def script(manager: Manager) -> None:
        manager.notifications.subscribe(notifications.append)
        monkeypatch.setattr(reconciler, "register", lambda helpers, nft: {"ftp": "in use"})
        await manager.reload()
        manager._on_worker_message(1000, Restarted("died of SIGKILL"))
        report = FlowReport(ReportKind.FAILED, "fw-ftp", "c", "s", "tcp", "a bug")
        manager._on_worker_message(1000, report)

    run(manager, script)
    assert [(n.kind, n.name, n.queue) for n in notifications] == [
        (NotificationKind.HELPER_FAILED, "ftp", 0),
        (NotificationKind.RULESET_REPLACED, "", 0),
        (NotificationKind.WORKER_RESTARTED, "", 1000),
        (NotificationKind.HELPER_FAILED, "ftp", 0),
    ]
    assert notifications[3].details == {"reason": "a bug"}


async def nothing(manager: Manager) -> None:
    pass


def test_stop_removes_rules_before_workers(manager: Manager) -> None:
    table: Any = manager._table
    workers: Any = manager._workers
    run(manager, nothing)
    assert table.steps == ["store", "remove"]
    assert workers.steps[-1] == "shrink 0"


def test_a_restart_leaves_rules_and_queues(
    manager: Manager, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module.systemd, "is_restarting", lambda: True)
    table: Any = manager._table
    workers: Any = manager._workers
    manager._store.available = True
    run(manager, nothing)
    assert table.steps == ["store", "close"]
    assert workers.steps[-1] == "hand over"
