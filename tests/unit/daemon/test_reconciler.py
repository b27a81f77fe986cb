"""From the desired to the applied configuration: after a failure the former one is active, nothing half applied."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from errno import EPERM
from typing import Any

import pytest

from fwhelpers import config
from fwhelpers.api import Helper
from fwhelpers.config import Config
from fwhelpers.daemon import reconciler as module
from fwhelpers.daemon.errors import StartError
from fwhelpers.daemon.reconciler import Reconciler
from fwhelpers.daemon.state import Snapshot
from fwhelpers.kernel.nfnl import NetlinkError
from fwhelpers.kernel.nft import NftError
from fwhelpers.plugin import manager as plugin_manager
from fwhelpers.worker.config import WorkerConfig

PLUGINS = plugin_manager.load()
SAME_PLUGINS = plugin_manager.load()


def configuration(*helpers: str, workers: int = 1, more: str = "") -> Config:
    tables = "".join(f"[helpers.{name}]\n" for name in helpers)
    text = f"[daemon]\nworkers = {workers}\n{more}\n{tables}"
    return config.resolve(config.parse([("f", text)]), PLUGINS.helpers)


@dataclass
class Kernel:
    """The state that the fakes hold, and the next failure of each step."""

    registered: list[str] = field(default_factory=list)
    registrations: int = 0
    workers: int = 0
    worker_config: WorkerConfig | None = None
    rules: str = ""
    enabled: dict[str, int] = field(default_factory=dict)
    failures: dict[str, Exception] = field(default_factory=dict)

    def fail(self, step: str) -> None:
        if step in self.failures:
            raise self.failures.pop(step)

    def active(self) -> tuple[object, ...]:
        return self.workers, self.worker_config, self.rules, dict(self.enabled), self.registered


class Workers:
    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    def grow(self, first: int, count: int, fail_open: bool) -> None:
        self._kernel.workers = max(self._kernel.workers, count)
        self._kernel.fail("grow")

    async def configure(self, worker_config: WorkerConfig) -> None:
        self._kernel.worker_config = worker_config
        self._kernel.fail("configure")

    async def shrink(self, count: int) -> None:
        self._kernel.workers = min(self._kernel.workers, count)


class Table:
    nft = None

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    def load(self, rules: str) -> None:
        self._kernel.fail("load")  # a transaction: nothing changes if it fails
        self._kernel.rules = rules


class Helpers:
    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel

    def set_queues(self, queues: Mapping[str, int]) -> None:
        self._kernel.enabled = dict(queues)
        self._kernel.fail("steer")  # the kernel takes them one by one: some are enabled


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> Kernel:
    kernel = Kernel()

    def register(helpers: Mapping[str, Helper], nft: object) -> dict[str, str]:
        kernel.registrations += 1
        kernel.registered = sorted(helpers)
        kernel.fail("register")
        return {"tns": "in use"} if "tns" in helpers else {}

    monkeypatch.setattr(module, "register", register)
    return kernel


@pytest.fixture
def reconciler(kernel: Kernel) -> Reconciler:
    parts: tuple[Any, ...] = Workers(kernel), Table(kernel), Helpers(kernel)
    return Reconciler(*parts)


def apply(reconciler: Reconciler, config: Config, plugins: Any = PLUGINS, **options: bool) -> bool:
    return asyncio.run(reconciler.reconcile(config, plugins, **options))


def test_a_configuration_is_applied_to_workers_and_rules(
    reconciler: Reconciler, kernel: Kernel
) -> None:
    assert apply(reconciler, configuration("ftp", "tns", workers=2))
    assert kernel.workers == 2
    assert kernel.worker_config is not None
    assert list(kernel.worker_config.helpers) == ["ftp"]  # the kernel did not accept tns
    assert "fw-ftp" in kernel.rules
    assert "fw-tns" not in kernel.rules
    assert reconciler.applied is not None
    assert list(reconciler.applied.helpers) == ["ftp"]


def test_without_a_difference_nothing_is_done(reconciler: Reconciler, kernel: Kernel) -> None:
    apply(reconciler, configuration("ftp"))
    kernel.rules = "changed by somebody"
    assert not apply(reconciler, configuration("ftp"))
    assert kernel.rules == "changed by somebody"
    assert apply(reconciler, configuration("ftp"), verify=True)
    assert "fw-ftp" in kernel.rules


def test_only_other_plugins_and_a_verification_register_again(
    reconciler: Reconciler, kernel: Kernel
) -> None:
    reconciler.register(PLUGINS)
    apply(reconciler, configuration("ftp"))
    apply(reconciler, configuration("ftp", "rpc"))
    assert kernel.registrations == 1
    apply(reconciler, configuration("ftp", "rpc"), verify=True)
    assert kernel.registrations == 2
    apply(reconciler, configuration("ftp", "rpc"), SAME_PLUGINS)
    assert kernel.registrations == 3


FAILURES = {
    "register": NftError("pin table"),
    "grow": NetlinkError(EPERM, "bind queue"),
    "configure": TimeoutError(),
    "load": NftError("syntax"),
    "steer": NetlinkError(EPERM, "register helper"),
}
STEERED_BY_HELPER = 'steering = "helper"'


@pytest.mark.parametrize("step", FAILURES)
def test_after_a_failure_the_former_configuration_is_active(
    reconciler: Reconciler, kernel: Kernel, step: str
) -> None:
    former = configuration("ftp", workers=2, more=STEERED_BY_HELPER)
    apply(reconciler, former)
    applied, active = reconciler.applied, kernel.active()
    kernel.failures[step] = FAILURES[step]
    desired = configuration("ftp", "rpc", workers=3, more=STEERED_BY_HELPER)
    with pytest.raises(StartError):
        apply(reconciler, desired, SAME_PLUGINS)
    assert not kernel.failures
    assert reconciler.applied == applied
    assert kernel.active() == active
    assert apply(reconciler, desired, SAME_PLUGINS)
    assert reconciler.applied is not None
    assert list(reconciler.applied.helpers) == ["ftp", "rpc"]


@pytest.mark.parametrize("first", FAILURES)
@pytest.mark.parametrize("second", [step for step in FAILURES if step != "grow"])
def test_a_failure_of_the_roll_back_stops_no_other_step(
    reconciler: Reconciler,
    kernel: Kernel,
    first: str,
    second: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    apply(reconciler, configuration("ftp", workers=2, more=STEERED_BY_HELPER))
    applied = reconciler.applied
    kernel.failures[first] = FAILURES[first]
    roll_back = reconciler._roll_back

    async def roll_back_with_a_failure(former: Snapshot) -> None:
        kernel.failures[second] = FAILURES[second]
        await roll_back(former)

    reconciler._roll_back = roll_back_with_a_failure  # type: ignore[method-assign]
    with pytest.raises(StartError):
        apply(reconciler, configuration("rpc", workers=3, more=STEERED_BY_HELPER), SAME_PLUGINS)
    reports = [line for line in caplog.messages if line.startswith("roll back ")]
    assert len(reports) == (second not in kernel.failures)
    assert reconciler.applied == applied
    if second != "load":
        assert "fw-rpc" not in kernel.rules
    assert kernel.workers == 2
    assert kernel.worker_config is not None
    assert list(kernel.worker_config.helpers) == ["ftp"]


def test_a_failure_at_the_start_is_reported_as_it_is(
    reconciler: Reconciler, kernel: Kernel
) -> None:
    kernel.failures["grow"] = NetlinkError(EPERM, "bind queue")
    with pytest.raises(NetlinkError):
        apply(reconciler, configuration("ftp"))
    assert reconciler.applied is None
    assert reconciler.registered


def test_queues_stay_as_they_are_until_a_restart(
    reconciler: Reconciler, kernel: Kernel, caplog: pytest.LogCaptureFixture
) -> None:
    apply(reconciler, configuration("ftp", more='queues = 1000\nfail = "open"'))
    apply(reconciler, configuration("rpc", more='queues = 2000\nfail = "closed"'))
    assert reconciler.applied is not None
    daemon = reconciler.applied.config.daemon
    assert (daemon.queues, daemon.fail) == (1000, "open")
    assert list(reconciler.applied.helpers) == ["rpc"]
    assert caplog.messages[-1] == "daemon.queues and daemon.fail change with a restart only"


BY_KERNEL = 'backend = "kernel"'


@pytest.fixture
def missing(monkeypatch: pytest.MonkeyPatch, kernel: Kernel) -> dict[str, str]:
    """The kernel's own helpers that it does not have."""
    reasons: dict[str, str] = {}
    monkeypatch.setattr(module.kernel_helpers, "missing", lambda helpers, nft: dict(reasons))
    monkeypatch.setattr(module.kernel_helpers, "untranslated", lambda helpers: ["no nf_nat_ftp"])
    return reasons


def test_the_kernels_own_helper_has_no_worker(
    reconciler: Reconciler,
    kernel: Kernel,
    missing: dict[str, str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    apply(
        reconciler,
        configuration("rpc", f"ftp]\n{BY_KERNEL}\n[helpers.tftp", more=STEERED_BY_HELPER),
    )
    assert kernel.worker_config is not None
    assert list(kernel.worker_config.helpers) == ["rpc", "tftp"]
    assert sorted(kernel.enabled) == ["fw-tftp", "rpc"]
    assert 'type "ftp"' in kernel.rules
    assert reconciler.applied is not None
    assert list(reconciler.applied.helpers) == ["rpc", "ftp", "tftp"]
    assert caplog.messages[-1] == "no nf_nat_ftp"


def test_a_missing_helper_of_the_kernel_stops_no_other(
    reconciler: Reconciler,
    kernel: Kernel,
    missing: dict[str, str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    missing["ftp"] = "modprobe it"
    desired = configuration("rpc", f"ftp]\n{BY_KERNEL}\n[helpers.tftp")
    apply(reconciler, desired)
    assert 'type "ftp"' not in kernel.rules
    assert reconciler.applied is not None
    assert list(reconciler.applied.helpers) == ["rpc", "tftp"]
    assert caplog.messages[1] == "ftp: modprobe it"
    asyncio.run(reconciler.register_again())
    assert reconciler.applied.problems["ftp"] == "modprobe it"
    missing.clear()
    apply(reconciler, desired, verify=True)
    assert 'type "ftp"' in kernel.rules
    assert "ftp" not in reconciler.applied.problems


@pytest.mark.parametrize("step", FAILURES)
def test_a_switch_that_fails_is_undone(
    reconciler: Reconciler, kernel: Kernel, missing: dict[str, str], step: str
) -> None:
    apply(reconciler, configuration("ftp", "rpc", more=STEERED_BY_HELPER))
    active = kernel.active()
    kernel.failures[step] = FAILURES[step]
    desired = configuration("rpc", f"ftp]\n{BY_KERNEL}\n[helpers.tftp", more=STEERED_BY_HELPER)
    with pytest.raises(StartError):
        apply(reconciler, desired, SAME_PLUGINS)
    assert kernel.active() == active


def test_pins_are_restored_with_the_problems_of_the_new_registration(
    reconciler: Reconciler, kernel: Kernel
) -> None:
    apply(reconciler, configuration("ftp"))
    asyncio.run(reconciler.register_again())
    assert kernel.registrations == 2
    assert reconciler.applied is not None
    assert reconciler.applied.problems == {"tns": "in use"}
