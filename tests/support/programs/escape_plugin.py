"""A plugin whose parser does what a taken-over one would do: the line that it reads says what."""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
from collections.abc import Callable, Iterator

from fwhelpers.api import Event, Helper, LineParser, Policy, hookimpl

_libc = ctypes.CDLL(None, use_errno=True)


def _ptrace(pid: str) -> None:
    if _libc.ptrace(16, int(pid), None, None) < 0:  # PTRACE_ATTACH
        raise OSError(ctypes.get_errno(), "ptrace")


ATTEMPTS: dict[str, Callable[[str], object]] = {
    "open": lambda _: os.open("/etc/passwd", os.O_RDONLY),
    "write": lambda _: os.open("/run/lab/escaped", os.O_WRONLY | os.O_CREAT),
    "socket": lambda _: socket.socket(),
    "netlink": lambda _: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 12),
    "exec": lambda _: os.execv("/bin/touch", ["touch", "/run/lab/escaped"]),
    "spawn": lambda _: subprocess.run(["touch", "/run/lab/escaped"], check=False),
    "fork": lambda _: os.fork(),
    "ptrace": _ptrace,
    "kill": lambda pid: os.kill(int(pid), 9),
    "import": lambda _: __import__("this"),
}


class Escape(LineParser):
    """`WHAT ARGUMENT` on the client's side: do it."""

    def line(self, line: bytes, reply: bool) -> Iterator[Event]:
        """Do what it says."""
        if not reply:
            name, _, argument = line.decode().strip().partition(" ")
            ATTEMPTS[name](argument)
        yield from ()


@hookimpl
def fwhelpers_helpers() -> list[Helper]:
    """The one helper."""
    return [Helper("escape", "tcp", ports=[7000], parser=Escape, policies=[Policy("none")])]
