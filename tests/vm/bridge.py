"""Between the outer pytest, which people see, and the inner one, which runs in the VM.

The inner one appends each report as a line of JSON to a file in the shared directory; the outer one reads that file as
it grows. Whatever the machine does, each test gets a result: a VM that dies or hangs makes the rest fail, with the end
of its console.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from machine import GUEST, Machine, find_kernel, running_kernel_lacks

#: For the whole run in the VM, in seconds; and for one test without any news.
TIMEOUT = float(os.environ.get("FWHELPERS_VM_TIMEOUT", "3600"))
SILENCE = float(os.environ.get("FWHELPERS_VM_SILENCE", "600"))

_config: pytest.Config | None = None


def write_report(report: pytest.TestReport) -> None:
    """Inside the VM: publish a report."""
    assert _config is not None
    data = _config.hook.pytest_report_to_serializable(config=_config, report=report)
    with open(os.environ["FWHELPERS_RUN"] + "/reports", "a") as file:
        file.write(json.dumps(data) + "\n")


class Bridge:
    """The outer side. `expect` the tests, then ask for each one's `reports`."""

    def __init__(self, config: pytest.Config) -> None:
        global _config
        _config = self._config = config
        self._why = ""
        self._tests: list[str] = []
        self._machine: Machine | None = None
        self._lines: Iterator[dict[str, Any] | None] = iter(())
        self._lost = ""

    def expect(self, tests: list[str]) -> None:
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
        if self._machine is None and not self._lost:
            self._boot()
        seen = False
        while not self._lost:
            data = next(self._lines, None)
            if data is None:
                self._lost = self._lost or "the VM reported no more tests" + self._console()
                break
            report = self._config.hook.pytest_report_from_serializable(
                config=self._config, data=data
            )
            if report.nodeid != item.nodeid:
                continue
            seen = seen or report.when == "call"
            yield _strict(report)
            if report.when == "teardown":
                return
        yield _failure(item, self._lost, time.monotonic() - started)

    def _boot(self) -> None:
        try:
            kernel = find_kernel()
            python = Path(sys.executable)
            command = [str(python), "-m", "pytest", "-p", "no:cacheprovider", f"@{GUEST}/tests"]
            name = f"tests-{kernel.name.removeprefix('vmlinuz-')}"
            self._machine = Machine(name, command, timeout=TIMEOUT, kernel=kernel)
        except OSError as error:
            self._lost = f"no VM: {error} (the running kernel: {self._why})"
            return
        directory = self._machine.directory
        (directory / "tests").write_text("".join(f"{test}\n" for test in self._tests))
        (directory / "reports").touch()
        with (directory / "console").open("wb") as console:
            self._machine.start(console)
        self._lines = self._follow(directory / "reports")

    def _follow(self, path: Path) -> Iterator[dict[str, Any]]:
        assert self._machine is not None
        last = time.monotonic()
        with path.open() as file:
            rest = ""
            while True:
                running = self._machine.running
                rest += file.read()
                *lines, rest = rest.split("\n")
                for line in lines:
                    last = time.monotonic()
                    yield json.loads(line)
                if not running:
                    return
                if time.monotonic() - last > SILENCE:
                    self._lost = f"no news from the VM for {SILENCE:g} s" + self._console()
                    self._machine.stop()
                    return
                time.sleep(0.1)

    def _console(self) -> str:
        assert self._machine is not None
        text = (self._machine.directory / "console").read_text(errors="replace")
        return "\nits console ends with:\n" + "\n".join(text.splitlines()[-40:])

    def close(self) -> None:
        """Switch the VM off."""
        if self._machine is not None:
            self._machine.stop()


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
