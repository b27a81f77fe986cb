"""`fwhelpers top` on a terminal of its own, with the service on a bus."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from message_bus import PATIENCE, MessageBus, Program, Starter

from fwhelpers.cli.main import main
from fwhelpers.dbus import names

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="without polkit only root is authorized")
SERVICE = Path(__file__).parents[1] / "support/programs/bus_service.py"

#: what may be sent to the terminal: home, erase, cursor and screen modes, bold, reverse, reset
ALLOWED = re.compile(r"\x1b\[(?:H|2J|\?25[lh]|\?1049[lh]|[0-9;]*m)")
COLOUR = re.compile(r"\x1b\[(?:[0-9;]*;)?(?:3[0-7]|4[0-7]|38|48|9[0-7])(?:;[0-9;]*)?m")


class Terminal:
    """A program on a pseudo-terminal, and what it has drawn last."""

    def __init__(self, bus: MessageBus, *arguments: str, columns: int = 80, **env: str) -> None:
        self.master, slave = pty.openpty()
        self.resize(24, columns)
        self.former = termios.tcgetattr(slave)
        command = [sys.executable, "-m", "fwhelpers", "top", "--interval", "0.2", *arguments]
        environment = {**os.environ, "TERM": "vt100", **bus.env, **env}
        for name in ("COLUMNS", "LINES", "COLORTERM", "FORCE_COLOR"):
            environment.pop(name, None)
        self.process = subprocess.Popen(
            command,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=environment,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),  # or ^C is no signal
        )
        self.slave = slave
        self.output = ""

    def resize(self, rows: int, columns: int) -> None:
        size = struct.pack("HHHH", rows, columns, 0, 0)
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, size)

    def read(self) -> None:
        if select.select([self.master], [], [], 0.1)[0]:
            self.output += os.read(self.master, 65536).decode()

    def press(self, keys: str) -> None:
        os.write(self.master, keys.encode())

    @property
    def screen(self) -> list[str]:
        """The last screen that was drawn completely."""
        frames = self.output.split("\x1b[H")
        return ALLOWED.sub("", frames[-2] if len(frames) > 1 else "").split("\r\n")

    def wait(self, accept: Callable[[str], bool] | str) -> list[str]:
        """Wait for a screen with a text, or that is accepted."""
        end = time.monotonic() + PATIENCE
        while True:
            text = "\n".join(self.screen)
            if accept in text if isinstance(accept, str) else accept(text):
                return self.screen
            assert time.monotonic() < end, f"no {accept} in\n{text}\n{self.output[-500:]!r}"
            assert self.process.poll() is None, self.output[-2000:]
            self.read()

    def quit(self, keys: str = "q") -> int:
        self.press(keys)
        end = time.monotonic() + PATIENCE
        while self.process.poll() is None:
            assert time.monotonic() < end
            self.read()
        self.read()
        return self.process.returncode

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.master)
        os.close(self.slave)


@pytest.fixture
def terminal(bus: MessageBus, service: Program) -> Iterator[Terminal]:
    terminal = Terminal(bus)
    yield terminal
    terminal.close()


@ROOT_ONLY
def test_a_session(bus: MessageBus, service: Program, terminal: Terminal) -> None:
    screen = terminal.wait("fwhelpers 9  up ")
    assert (len(screen), {len(line) for line in screen}) == (24, {80})
    terminal.wait("EXPECTATIONS (0)")
    service.command(do="refuse")
    terminal.wait("ftp PORT 10.0.1.2:22: below 1024 (G6); 10.0.1.2:40000 → 10.0.2.2:21")
    service.command(do="create", first=5, count=2)
    terminal.wait("EXPECTATIONS (2)")
    service.command(do="match", first=5)
    terminal.wait("used by 10.0.1.")
    terminal.press(" ")
    terminal.wait("PAUSED  fwhelpers 9")
    service.command(do="refuse")
    terminal.press("p")
    terminal.wait("REFUSED (2)")
    terminal.press("/rpc\r")
    terminal.wait(lambda text: "filter: rpc  q quit" in text and "below 1024" not in text)
    terminal.press("\x1b")
    terminal.wait("below 1024")
    terminal.press("\t\t")
    terminal.wait(lambda text: "[expectations, by name]" in text and "QUEUE" not in text)
    assert terminal.quit() == 0
    # with a cursor, on the former screen
    assert terminal.output.endswith("\x1b[?25h\x1b[?1049l")
    assert termios.tcgetattr(terminal.slave) == terminal.former
    assert "\x1b" not in ALLOWED.sub("", terminal.output)
    assert not COLOUR.search(terminal.output)


@ROOT_ONLY
def test_it_survives_a_restart_of_service_and_bus(
    bus: MessageBus, service: Program, terminal: Terminal
) -> None:
    service.command(do="create", first=5, count=2)
    terminal.wait("EXPECTATIONS (2)")
    service.end()
    terminal.wait("waiting for it")
    bus.stop()
    terminal.wait("cannot reach the service")
    bus.start()
    successor = Program(sys.executable, str(SERVICE), bus.address, env=bus.env)
    try:
        successor.wait_line("^on D-Bus")
        terminal.wait(lambda text: "fwhelpers 9  up " in text and "EXPECTATIONS (0)" in text)
        successor.command(do="create", first=5, count=1)
        terminal.wait("EXPECTATIONS (1)")
        assert terminal.quit("\x03") == 0
    finally:
        successor.end()


def test_a_user_whom_polkit_does_not_authorize(
    bus: MessageBus, start: Starter, service: Program
) -> None:
    start("polkit_fake.py", "{}", line="polkit is there")
    service.command(do="create", first=5, count=1)
    terminal = Terminal(bus)
    try:
        screen = terminal.wait("addresses are for users that polkit authorizes (view-details)")
        assert any(line.startswith("ftp ") for line in screen)
        assert "10.0." not in terminal.output
        assert terminal.quit() == 0
    finally:
        terminal.close()


def test_a_service_of_another_version(bus: MessageBus, start: Starter) -> None:
    erring = start("erring_service.py", names.NAME, names.UNKNOWN_METHOD, "no", line="on the bus")
    terminal = Terminal(bus)
    try:
        terminal.wait("the service is of another version: it does not know GetStatistics")
        erring.end()
        terminal.wait("the service is not running, waiting for it")
        start("erring_service.py", names.NAME, "-", "", line="on the bus")
        end = time.monotonic() + PATIENCE
        while terminal.process.poll() is None:
            assert time.monotonic() < end
            terminal.read()
        while select.select([terminal.master], [], [], 0.1)[0]:
            terminal.read()
        assert terminal.process.returncode == 1
        assert "Traceback" not in terminal.output
        after = terminal.output.rpartition("\x1b[?1049l")[2].splitlines()
        assert after[0] == (
            "fwhelpers: error: the service is of another version: it does not report 'started'"
        )
        assert after[1].startswith("hint: restart it ")
        assert termios.tcgetattr(terminal.slave) == terminal.former
    finally:
        terminal.close()


@ROOT_ONLY
def test_a_change_of_the_window(bus: MessageBus, service: Program, terminal: Terminal) -> None:
    terminal.wait("EXPECTATIONS (0)")
    terminal.resize(10, 40)
    screen = terminal.wait(lambda text: text.count("\n") == 9 and "EXPECTATIONS" in text)
    assert {len(line) for line in screen} == {40}


def test_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["top"]) == 1
    assert capsys.readouterr().err.splitlines() == [
        "fwhelpers: error: `top` needs a terminal",
        "hint: `fwhelpers status` and `monitor` need none",
    ]


def test_without_the_library_one_line_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [n for n in sys.modules if n.split(".")[0] == "rich"]:
        monkeypatch.delitem(sys.modules, name)
    for name in [n for n in sys.modules if n.startswith("fwhelpers.cli.top.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delattr("fwhelpers.cli.top.screen", raising=False)
    monkeypatch.setitem(sys.modules, "rich", None)
    assert main(["top"]) == 1
    assert capsys.readouterr().err.splitlines() == [
        "fwhelpers: error: the Python library rich is missing",
        "hint: install it (Debian, Fedora: python3-rich); `fwhelpers status` needs no library",
    ]
