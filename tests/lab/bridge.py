"""The bridge between the outer pytest and the inner ones, which run in virtual machines.

Several machines with one processor each share the tests (docs/decisions/0055). Each starts at another place in the
list and claims the tests that it runs (scheduler.py). An inner pytest appends each report as a line of JSON to a file
in its machine's directory, and the outer one reads these files while they grow. Every test gets a result: if a machine
dies or hangs, its tests fail with the end of its console.
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

#: seconds for the whole run in the VM, and without a report
TIMEOUT = float(os.environ.get("FWHELPERS_VM_TIMEOUT", "5400"))
SILENCE = float(os.environ.get("FWHELPERS_VM_SILENCE", "600"))
MACHINES = int(os.environ.get("FWHELPERS_MACHINES", "3"))

_config: pytest.Config | None = None


def write_report(report: pytest.TestReport) -> None:
    """Write a report to the machine's directory; called inside the VM."""
    assert _config is not None
    data = _config.hook.pytest_report_to_serializable(config=_config, report=report)
    with open(os.environ["FWHELPERS_RUN"] + "/reports", "a") as file:
        file.write(json.dumps(data) + "\n")


class _Inner:
    """A running machine and its reports."""

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
        self._reports: dict[str, list[dict[str, Any]]] = {}

    def take(self, test: str) -> list[dict[str, Any]]:
        """Return new reports of a test."""
        running = self.machine.running
        with self._path.open() as file:
            file.seek(self._read)
            text = file.read()
            self._read = file.tell()
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._last = time.monotonic()
            data = json.loads(line)
            self._reports.setdefault(data["nodeid"], []).append(data)
        if not running:
            self.lost = self.lost or "the VM reported no more tests" + self._console()
        elif time.monotonic() - self._last > SILENCE:
            self.lost = f"no report from the VM for {SILENCE:g} s" + self._console()
            self.machine.stop()
        return self._reports.pop(test, [])

    def _console(self) -> str:
        text = (self.machine.directory / "console").read_text(errors="replace")
        return "\nits console ends with:\n" + "\n".join(text.splitlines()[-40:])


class Bridge:
    """The outer side: `expect` all tests, then read the `reports` of each."""

    def __init__(self, config: pytest.Config) -> None:
        global _config
        _config = self._config = config
        self._why = ""
        self._tests: list[pytest.Item] = []
        self._inner: list[_Inner] = []
        self._claims: Claims | None = None
        self._lost = ""

    def expect(self, tests: list[pytest.Item]) -> None:
        """Set the tests that will run."""
        self._tests = tests
        self._why = running_kernel_lacks() if tests else ""
        if tests and os.environ.get("FWHELPERS_KERNEL"):
            self._why = "FWHELPERS_KERNEL names another"

    @property
    def needed(self) -> bool:
        """Whether the tests have to run in a virtual machine."""
        return bool(self._why)

    def start(self) -> None:
        """Boot the machines, if they are needed and do not run yet. They run their tests beside those outside."""
        if self.needed and not self._inner and not self._lost:
            self._boot()

    def reports(self, item: pytest.Item) -> Iterator[pytest.TestReport]:
        """Yield the reports of one test, waiting for them."""
        started = time.monotonic()
        self.start()
        while not self._lost:
            inner = self._of(group(item))
            reports_data = inner.take(item.nodeid)
            for data in reports_data:
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
        """Return the machine that claimed a group of tests, or any running one."""
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
        for inner in self._inner:
            inner.machine.stop()


def _strict(report: pytest.TestReport) -> pytest.TestReport:
    """In CI, count a skipped kernel test as a failure."""
    if report.skipped and os.environ.get("CI") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which CI does not accept: {report.longrepr}"
    return report


def _failure(item: pytest.Item, why: str, duration: float) -> pytest.TestReport:
    skip = why.startswith("no VM") and not os.environ.get("CI")
    location = (str(item.path), item.location[1] or 0, f"Skipped: {why}")
    return pytest.TestReport(
        nodeid=item.nodeid,
        location=item.location,
        keywords={},
        outcome="skipped" if skip else "failed",
        longrepr=location if skip else why,
        when="call",
        duration=duration,
    )
