"""Between the outer pytest, which people see, and the inner ones, which run in VMs.

Machines of one processor each share the tests: emulated, two processors in one machine wait for each other most of the
time (each was four times as slow where two such machines shared two real ones); and there are more machines than real
processors, for tests often wait. Each begins somewhere else in the list, and claims what it runs (claims.py). An inner
pytest appends each report as a line of JSON to a file in its machine's directory; the outer one reads those files as
they grow. Whatever a machine does, each test gets a result: one that dies or hangs makes its tests fail, with the end
of its console.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab import rootfs as images
from lab.scheduler import Claims, group
from lab.vm import BUILD, CPUS, GUEST, Machine, find_kernel, running_kernel_lacks

#: For the whole run in the VM, in seconds; and for one test without any news.
TIMEOUT = float(os.environ.get("FWHELPERS_VM_TIMEOUT", "4800"))
SILENCE = float(os.environ.get("FWHELPERS_VM_SILENCE", "600"))
MACHINES = int(os.environ.get("FWHELPERS_MACHINES", "3"))

_config: pytest.Config | None = None


def write_report(report: pytest.TestReport) -> None:
    """Inside the VM: publish a report."""
    assert _config is not None
    data = _config.hook.pytest_report_to_serializable(config=_config, report=report)
    with open(os.environ["FWHELPERS_RUN"] + "/reports", "a") as file:
        file.write(json.dumps(data) + "\n")


class _Inner:
    """A machine and what it has reported so far."""

    def __init__(self, machine: Machine, tests: list[str], beside: bool) -> None:
        self.machine = machine
        self.lost = ""
        self._path = machine.directory / "reports"
        (machine.directory / "tests").write_text("".join(f"{test}\n" for test in tests))
        self._path.touch()
        with (machine.directory / "console").open("wb") as console:
            machine.start(console, beside=beside)
        self._read, self._rest = 0, ""
        self._last = time.monotonic()
        self._got: dict[str, list[dict[str, Any]]] = {}

    def take(self, test: str) -> list[dict[str, Any]]:
        """What there is of this test that was not taken before."""
        running = self.machine.running
        with self._path.open() as file:
            file.seek(self._read)
            text = file.read()
            self._read = file.tell()
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._last = time.monotonic()
            data = json.loads(line)
            self._got.setdefault(data["nodeid"], []).append(data)
        if not running:
            self.lost = self.lost or "the VM reported no more tests" + self._console()
        elif time.monotonic() - self._last > SILENCE:
            self.lost = f"no news from the VM for {SILENCE:g} s" + self._console()
            self.machine.stop()
        return self._got.pop(test, [])

    def _console(self) -> str:
        text = (self.machine.directory / "console").read_text(errors="replace")
        return "\nits console ends with:\n" + "\n".join(text.splitlines()[-40:])


class Bridge:
    """The outer side. `expect` the tests, then ask for each one's `reports`."""

    def __init__(self, config: pytest.Config) -> None:
        global _config
        _config = self._config = config
        self._why = ""
        self._tests: list[pytest.Item] = []
        self._inner: list[_Inner] = []
        self._claims: Claims | None = None
        self._lost = ""

    def expect(self, tests: list[pytest.Item]) -> None:
        """Tell which tests are going to be asked for."""
        self._tests = tests
        self._why = running_kernel_lacks() if tests else ""
        if tests and os.environ.get("FWHELPERS_KERNEL"):
            self._why = "FWHELPERS_KERNEL names another"

    @property
    def needed(self) -> bool:
        """Whether the tests have to go into a VM."""
        return bool(self._why)

    def reports(self, item: pytest.Item) -> Iterator[pytest.TestReport]:
        """Yield the reports of one test, waiting for them."""
        started = time.monotonic()
        if not self._inner and not self._lost:
            self._boot()
        while not self._lost:
            inner = self._of(group(item))
            got = inner.take(item.nodeid)
            for data in got:
                report = self._config.hook.pytest_report_from_serializable(
                    config=self._config, data=data
                )
                yield _strict(report)
                if report.when == "teardown":
                    return
            if inner.lost:
                yield _failure(item, inner.lost, time.monotonic() - started)
                return
            time.sleep(0.1)
        yield _failure(item, self._lost, time.monotonic() - started)

    def _of(self, name: str) -> _Inner:
        """The machine that has a group of tests; as long as none has it, one that is alive."""
        assert self._claims is not None
        owner = self._claims.owner(name)
        if owner is not None:
            return self._inner[owner]
        return next((inner for inner in self._inner if not inner.lost), self._inner[0])

    def _boot(self) -> None:
        try:
            kernel = find_kernel()
            name = f"tests-{kernel.name.removeprefix('vmlinuz-')}"
            count = min(MACHINES, len({group(test) for test in self._tests}))
            self._claims = Claims(BUILD / f"{name}-claims", 0, count)
            self._claims.clear()
            image = images.make(BUILD / f"{name}.ext4")
            for number in range(count):
                machine = self._machine(f"{name}-{number}", number, kernel, image)
                tests = [test.nodeid for test in self._tests]
                self._inner.append(_Inner(machine, tests, beside=bool(number)))
        except (OSError, subprocess.CalledProcessError) as error:
            self._lost = f"no VM: {error} (the running kernel: {self._why})"

    def _machine(self, name: str, number: int, kernel: Path, image: Path) -> Machine:
        assert self._claims is not None
        claims = Claims(self._claims.directory, number, self._claims.count)
        pytest_ = str(Path(sys.executable)), "-m", "pytest", "-p", "no:cacheprovider"
        command = ["env", *claims.environment, *pytest_, f"@{GUEST}/tests"]
        shared = {Claims.GUEST: claims.directory}
        cpus = max(CPUS // claims.count, 1)
        return Machine(
            name, command, timeout=TIMEOUT, kernel=kernel, shared=shared, cpus=cpus, files=image
        )

    def close(self) -> None:
        """Switch the VMs off."""
        for inner in self._inner:
            inner.machine.stop()


def _strict(report: pytest.TestReport) -> pytest.TestReport:
    """In CI a kernel scenario that was skipped is one that was not tested: a failure."""
    if report.skipped and os.environ.get("CI") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI does not accept: {report.longrepr}"
    return report


def _failure(item: pytest.Item, why: str, duration: float) -> pytest.TestReport:
    skip = why.startswith("no VM") and not os.environ.get("CI")
    where = (str(item.path), item.location[1] or 0, f"Skipped: {why}")
    return pytest.TestReport(
        nodeid=item.nodeid,
        location=item.location,
        keywords={},
        outcome="skipped" if skip else "failed",
        longrepr=where if skip else why,
        when="call",
        duration=duration,
    )
