"""Notifications to systemd, and its descriptor store.

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
_SEND_TIMEOUT = 2.0  #: seconds that the service manager may take to read a message


class Notifier:
    """Sends the service's state to the service manager."""

    def __init__(self, environ: MutableMapping[str, str]) -> None:
        # removed from the environment: child processes must not notify in our name
        address = environ.pop("NOTIFY_SOCKET", "")
        self._watchdog = environ.pop("WATCHDOG_USEC", ""), environ.pop("WATCHDOG_PID", "")
        self._sock: socket.socket | None = None
        if address[:1] in ("/", "@"):
            self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
            self._sock.settimeout(_SEND_TIMEOUT)
            self._sock.connect("\0" + address[1:] if address[0] == "@" else address)

    @property
    def watchdog_timeout(self) -> float:
        """Seconds without `ping_watchdog` after which the service is killed; 0: never."""
        usec, pid = self._watchdog
        ours = pid in ("", str(os.getpid()))
        return int(usec) / 1e6 if ours and usec.isdecimal() else 0.0

    def ready(self, status: str) -> None:
        """Startup or reload is complete."""
        self.send(f"READY=1\nSTATUS={status}")

    def reloading(self) -> None:
        """Report the begin of a reload; `ready` ends it.

        By the time systemd tells this reload from one that was under way when it sent SIGHUP (Type=notify-reload).
        """
        usec = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self.send(f"RELOADING=1\nMONOTONIC_USEC={usec}\nSTATUS=reloading")

    def stopping(self) -> None:
        self.send("STOPPING=1\nSTATUS=stopping")

    def status(self, text: str) -> None:
        """Report one line for `systemctl status`."""
        self.send(f"STATUS={text}")

    def ping_watchdog(self) -> None:
        self.send("WATCHDOG=1")

    def send(self, message: str, fd: int | None = None) -> bool:
        """Send lines of KEY=VALUE, and a descriptor; False if they could not be sent."""
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
    """Descriptors that the service manager holds for a later manager.

    They are the queues' sockets and the socket that owns the table: while they are open, packets wait and rules stay.
    """

    def __init__(self, notifier: Notifier, environ: MutableMapping[str, str]) -> None:
        self._notifier = notifier
        self._inherited = _inherited(environ)
        self._stored = set(self._inherited)
        # set by systemd from 254 on; for 252 by our unit (FDSTORE beside FileDescriptorStoreMax)
        self.available = environ.pop("FDSTORE", "0") != "0"

    def pop(self, name: str) -> int | None:
        """Return the inherited descriptor of this name; the caller owns it from now on."""
        return self._inherited.pop(name, None)

    def names(self) -> list[str]:
        """Names of the inherited descriptors that were not popped."""
        return list(self._inherited)

    def store(self, name: str, fd: int) -> None:
        """Store a descriptor. An inherited one of this name is stored already."""
        # systemd would drop a polled socket at its first error
        if self.available and name not in self._stored:
            message = f"FDSTORE=1\nFDNAME={name}\nFDPOLL=0"
            if self._notifier.send(message, fd):
                self._stored.add(name)

    def drop(self, name: str) -> None:
        """Remove a descriptor from the store."""
        if name in self._stored:
            self._stored.remove(name)
            self._notifier.send(f"FDSTOREREMOVE=1\nFDNAME={name}")

    def drop_all(self) -> None:
        """Remove all descriptors: packets must not wait in a queue without a reader."""
        for name in list(self._stored):
            self.drop(name)
        for name in list(self._inherited):
            os.close(self._inherited.pop(name))


def _inherited(environ: MutableMapping[str, str]) -> dict[str, int]:
    count, pid = environ.pop("LISTEN_FDS", ""), environ.pop("LISTEN_PID", "")
    names = environ.pop("LISTEN_FDNAMES", "").split(":")
    if pid != str(os.getpid()) or not count.isdecimal():
        return {}
    inherited: dict[str, int] = {}
    for name, fd in zip(names, range(_FIRST, _FIRST + int(count)), strict=False):
        os.set_inheritable(fd, False)
        if name in inherited:
            os.close(fd)
        else:
            inherited[name] = fd
    return inherited


def is_restarting(unit: str = UNIT) -> bool:
    """Return whether the unit is being restarted, not stopped. True if systemctl fails."""
    # sd_notify is one-way, and $EXIT_STATUS is set too late
    argv = ["systemctl", "list-jobs", "--no-legend", "--no-pager", "--plain", unit]
    try:
        listed = subprocess.run(argv, capture_output=True, text=True, timeout=5, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return True
    return any(line.split()[1:3] == [unit, "restart"] for line in listed.splitlines())
