"""The service manager's side of a service: what it is told, and the descriptors that it keeps for us.

Protocol: sd_notify(3), sd_listen_fds(3), and "File Descriptor Store" in systemd.service(5). Without a service manager
all of this does nothing.
"""

from __future__ import annotations

import array
import logging
import os
import socket
import subprocess
import time
from collections.abc import MutableMapping

log = logging.getLogger("fwhelpers")

UNIT = "fwhelpers.service"
_FIRST = 3  # SD_LISTEN_FDS_START
_PATIENCE = 2.0  #: seconds that the service manager may take to read a message


class Notifier:
    """Tells the service manager how we are."""

    def __init__(self, environ: MutableMapping[str, str]) -> None:
        # taken out, for what we start is not to speak for us
        address = environ.pop("NOTIFY_SOCKET", "")
        self._watchdog = environ.pop("WATCHDOG_USEC", ""), environ.pop("WATCHDOG_PID", "")
        self._sock: socket.socket | None = None
        if address[:1] in ("/", "@"):
            self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            self._sock.settimeout(_PATIENCE)
            self._sock.connect("\0" + address[1:] if address[0] == "@" else address)

    @property
    def watched(self) -> float:
        """Seconds without `alive` after which we are killed; 0: never."""
        usec, pid = self._watchdog
        ours = pid in ("", str(os.getpid()))
        return int(usec) / 1e6 if ours and usec.isdecimal() else 0.0

    def ready(self, status: str) -> None:
        """All is in force."""
        self.send(f"READY=1\nSTATUS={status}")

    def reloading(self) -> None:
        """A reload begins; `ready` ends it."""
        usec = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self.send(f"RELOADING=1\nMONOTONIC_USEC={usec}\nSTATUS=reloading")

    def stopping(self) -> None:
        """The end begins."""
        self.send("STOPPING=1\nSTATUS=stopping")

    def status(self, text: str) -> None:
        """One line for `systemctl status`."""
        self.send(f"STATUS={text}")

    def alive(self) -> None:
        """Feed the watchdog."""
        self.send("WATCHDOG=1")

    def send(self, message: str, fd: int | None = None) -> bool:
        """Send lines of KEY=VALUE, with a descriptor if given; False if nobody took them."""
        if self._sock is None:
            return False
        fds = array.array("i", [] if fd is None else [fd])
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, fds)] if fds else []
        try:
            self._sock.sendmsg([message.encode()], rights)
        except OSError as error:
            log.warning("service manager: %s", error)
            return False
        return True


class FdStore:
    """Descriptors that outlive us in the service manager's hands.

    The queues' sockets and the socket that owns our table: while they are open, packets wait and rules stay.
    """

    def __init__(self, notifier: Notifier, environ: MutableMapping[str, str]) -> None:
        self._notifier = notifier
        self._kept = _inherited(environ)
        self._known = set(self._kept)
        # systemd says so itself from 254 on; for 252 our unit does (FDSTORE beside FileDescriptorStoreMax)
        self.works = environ.pop("FDSTORE", "0") != "0"

    def take(self, name: str) -> int | None:
        """The descriptor that our predecessor left under this name; the caller's from now on."""
        return self._kept.pop(name, None)

    def left(self) -> list[str]:
        """Names of what nobody has taken."""
        return list(self._kept)

    def put(self, name: str, fd: int) -> None:
        """Have it kept. One that was taken under this name is there already."""
        # polled, a socket would be thrown out at its first error
        if self.works and name not in self._known:
            message = f"FDSTORE=1\nFDNAME={name}\nFDPOLL=0"
            if self._notifier.send(message, fd):
                self._known.add(name)

    def drop(self, name: str) -> None:
        """Have it closed."""
        if name in self._known:
            self._known.remove(name)
            self._notifier.send(f"FDSTOREREMOVE=1\nFDNAME={name}")

    def drop_all(self) -> None:
        """Have everything closed: traffic must not wait for somebody who does not come."""
        for name in list(self._known):
            self.drop(name)
        for name in list(self._kept):
            os.close(self._kept.pop(name))


def _inherited(environ: MutableMapping[str, str]) -> dict[str, int]:
    count, pid = environ.pop("LISTEN_FDS", ""), environ.pop("LISTEN_PID", "")
    names = environ.pop("LISTEN_FDNAMES", "").split(":")
    if pid != str(os.getpid()) or not count.isdecimal():
        return {}
    kept: dict[str, int] = {}
    for name, fd in zip(names, range(_FIRST, _FIRST + int(count)), strict=False):
        os.set_inheritable(fd, False)
        if name in kept:
            os.close(fd)
        else:
            kept[name] = fd
    return kept


def restarts(unit: str = UNIT) -> bool:
    """Are we stopped in order to be started again? True as well where the service manager can't be asked."""
    # sd_notify is one-way, and $EXIT_STATUS and the like come too late
    argv = ["systemctl", "list-jobs", "--no-legend", "--no-pager", "--plain", unit]
    try:
        listed = subprocess.run(argv, capture_output=True, text=True, timeout=5, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return True
    return any(line.split()[1:3] == [unit, "restart"] for line in listed.splitlines())
