"""Programs in the lab: commands with a time limit, and processes whose output can be waited for."""

from __future__ import annotations

import re
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

#: Emulated user space is 10 to 20 times slower than native, and the machine may have other load. Nothing takes this
#: long unless it hangs.
PATIENCE = 180.0  #: seconds


class LabError(Exception):
    """The lab itself failed."""


def wait_until(holds: Callable[[], object], condition: str, timeout: float = PATIENCE) -> None:
    """Wait until `holds()` is true. Raises LabError with the text `condition` after `timeout` seconds."""
    end = time.monotonic() + timeout
    while not holds():
        if time.monotonic() > end:
            raise LabError(f"{condition}: not within {timeout:g} s")
        time.sleep(0.05)


def run(
    argv: Sequence[str],
    *,
    check: bool = True,
    timeout: float = PATIENCE,
    input: str | None = None,
    env: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end. A timeout is a failure with status 124, as in timeout(1)."""
    process = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL if input is None else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        env=env,
    )
    try:
        out, err = process.communicate(input, timeout)
        status = process.returncode
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        status = 124
    if check and status:
        raise LabError(f"{' '.join(argv)}: status {status}\n{out}{err}")
    return subprocess.CompletedProcess(list(argv), status, out, err)


class Process:
    """A running program. Its output is stored and can be waited for."""

    def __init__(
        self, name: str, argv: Sequence[str], log: Path, env: Mapping[str, str] | None = None
    ) -> None:
        self.name = name
        self.log = log
        self.lines: list[str] = []
        self.on_line: Callable[[str], None] | None = None
        self._news = threading.Condition()
        self._eof = False
        self._process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=env,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """The exit status, or None while it runs."""
        return self._process.poll()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout, self.log.open("a", buffering=1) as log:
            for line in self._process.stdout:
                log.write(line)
                with self._news:
                    self.lines.append(line.rstrip("\n"))
                    self._news.notify_all()
                if self.on_line is not None:
                    self.on_line(line.rstrip("\n"))
        with self._news:
            self._eof = True
            self._news.notify_all()

    def wait_line(self, pattern: str, timeout: float = PATIENCE, after: int = 0) -> re.Match[str]:
        """Wait for a line (from number `after` on) in which `pattern` is found."""
        match: re.Match[str] | None = None

        def search() -> bool:
            nonlocal match
            match = next(filter(None, (re.search(pattern, x) for x in self.lines[after:])), None)
            return match is not None or self._eof

        with self._news:
            self._news.wait_for(search, timeout)
        if match is None:
            state = (
                f"ended with {self._process.wait()}" if self._eof else f"not within {timeout:g} s"
            )
            raise LabError(f"{self.name}: no line {pattern!r}: {state}\n" + self.tail())
        return match

    def wait(self, timeout: float = PATIENCE) -> int:
        """Wait for the end of the program and its output; return the exit status."""
        try:
            status = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise LabError(
                f"{self.name}: still running after {timeout:g} s\n{self.tail()}"
            ) from None
        self._reader.join(5.0)
        return status

    def signal(self, number: int) -> None:
        """Send a signal unless the program has ended."""
        if self.returncode is None:
            self._process.send_signal(number)

    def stop(self, timeout: float = PATIENCE) -> int:
        """Terminate the program and wait. Kill it and raise LabError if it does not end."""
        if self.returncode is None:
            self._process.terminate()
        try:
            return self.wait(timeout)
        except LabError:
            self.kill()
            raise

    def kill(self) -> None:
        """Kill the program and wait."""
        self._process.kill()
        self._process.wait()
        self._reader.join(5.0)

    def tail(self, count: int = 60) -> str:
        """Return the last lines of the output."""
        return "\n".join(self.lines[-count:])
