"""Memory that a worker shares with the manager, readable also while the worker hangs and after its death.

The worker may have been taken over: what it wrote is checked when it is read, and it can neither shrink the page
(which would kill the manager by SIGBUS) nor write without bound to its handover file (RLIMIT_FSIZE, see `sandbox`).
"""

from __future__ import annotations

import fcntl
import mmap
import os
from struct import Struct

from fwhelpers.engine.handover import MAX_SIZE

#: bytes of a handover file; the version and the memories come beside the flows
MAX_HANDOVER = 2 * MAX_SIZE

_FIELDS = Struct("=QQQQ")
_MAX_PACKET_ID = 0xFFFFFFFF
_MAX_COUNT = 1 << 48  #: sums of these over many workers fit D-Bus's 64 bits
_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL


class SharedStats:
    """Heartbeat count, id of the last packet received, packets judged, queue overflows."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._map = mmap.mmap(fd, mmap.PAGESIZE)
        self.beats = self.last_id = self.packets = self.overflows = 0

    @classmethod
    def create(cls) -> SharedStats:
        """A new page of fixed size, on a descriptor that only `pass_fds` hands on."""
        fd = os.memfd_create("fwhelpers-worker", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(fd, mmap.PAGESIZE)
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, _SEALS)
        return cls(fd)

    def beat(self) -> None:
        """Worker: count one more turn of the loop."""
        self.beats += 1
        self.publish()

    def publish(self) -> None:
        """Worker: write all fields."""
        _FIELDS.pack_into(self._map, 0, self.beats, self.last_id, self.packets, self.overflows)

    def read(self) -> SharedStats:
        """Manager: refresh all fields; an impossible value counts as 0."""
        self.beats, last_id, packets, overflows = _FIELDS.unpack_from(self._map)
        self.last_id = last_id if last_id <= _MAX_PACKET_ID else 0
        self.packets = packets if packets <= _MAX_COUNT else 0
        self.overflows = overflows if overflows <= _MAX_COUNT else 0
        return self

    def close(self) -> None:
        self._map.close()
        os.close(self.fd)


class HandoverFile:
    """The file in memory by which a worker hands its flows over. It is read once, at the successor's start."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        with open(fd, "rb", closefd=False) as file:
            file.seek(0)
            self.content = file.read(MAX_HANDOVER)
        # the successor of a crashed worker must not find an outdated state
        os.ftruncate(fd, 0)
        os.lseek(fd, 0, os.SEEK_SET)

    def write(self, data: bytes) -> None:
        """Needs no system call but write(2)."""
        view = memoryview(data)
        while view:
            view = view[os.write(self._fd, view) :]
