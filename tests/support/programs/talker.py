"""A person who talks: on a terminal of their own, with talk, until the other one's words are there.

Runs in a namespace as `python talker.py call USER@HOST` or, for the one who is called, as `python talker.py wait`. The
latter is entered in utmp, so that the daemon finds the terminal, and answers with the command that it names there.
"""

from __future__ import annotations

import fcntl
import os
import re
import select
import struct
import subprocess
import sys
import termios
from typing import NoReturn

UTMP = "/run/utmp"
USER_PROCESS = 7
TALK = "netkit-ntalk"
WORDS = {"call": b"good morning", "wait": b"good evening"}
_ANSWER = rb"respond with:\s+talk\s+([\w.@-]+)"


class Terminal:
    """A pseudo terminal, whose output is collected."""

    def __init__(self) -> None:
        self._master, self._slave = os.openpty()
        fcntl.ioctl(self._slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        self.name = os.ttyname(self._slave)
        os.chmod(self.name, 0o620)  # as mesg y does
        self._output = b""

    def read(self, seconds: float | None = None) -> bool:
        """Collect what is shown. Return False if that is nothing within this time."""
        readable, _, _ = select.select([self._master], [], [], seconds)
        if readable:
            self._output += os.read(self._master, 4096)
        return bool(readable)

    def search(self, pattern: bytes) -> re.Match[bytes] | None:
        """Search in what was shown."""
        return re.search(pattern, self._output)

    def wait(self, pattern: bytes) -> re.Match[bytes]:
        """Wait until the pattern is shown."""
        while (match := self.search(pattern)) is None:
            self.read()
        return match

    def talk(self, peer: str) -> None:
        """Start the program here."""
        slave = self._slave
        environment = {**os.environ, "TERM": "vt100"}
        subprocess.Popen([TALK, peer], stdin=slave, stdout=slave, stderr=slave, env=environment)

    def write(self, text: bytes) -> None:
        os.write(self._master, text)


def log_in(terminal: str) -> None:
    """Enter the terminal in utmp (utmp(5)) as root's."""
    line = terminal.removeprefix("/dev/").encode()
    record = struct.pack("=hxxi32s4s32s", USER_PROCESS, os.getpid(), line, b"lab", b"root")
    with open(UTMP, "ab") as file:
        file.write(record.ljust(384, b"\0"))


def main(role: str, peer: str = "") -> None:
    terminal = Terminal()
    if role == "wait":
        log_in(terminal.name)
        print("waiting", flush=True)
        peer = terminal.wait(_ANSWER)[1].decode()
        print(f"called by {peer}", flush=True)
        terminal = Terminal()
    terminal.talk(peer)
    terminal.wait(rb"[Cc]onnection established")
    print("connected", flush=True)
    talk(terminal, WORDS[role], WORDS["call" if role == "wait" else "wait"])


def talk(terminal: Terminal, words: bytes, others: bytes) -> NoReturn:
    """Type until the other one has, and go on, as the other's screen may not have been there at the beginning."""
    answered = False
    while True:
        if not terminal.read(1):
            terminal.write(words)
        if not answered and terminal.search(others):
            answered = True
            print("talked", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
