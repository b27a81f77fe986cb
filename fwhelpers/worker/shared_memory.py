"""A page of memory that a worker writes and the manager reads: is it alive, and what has it in its hands?

It must work when the worker hangs or is dead, so it is no message but memory.
"""

from __future__ import annotations

import mmap
import os
from struct import Struct

_FIELDS = Struct("=QQQQ")


class SharedStats:
    """Heartbeat count, id of the last packet taken, packets judged, queue overflows."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._map = mmap.mmap(fd, mmap.PAGESIZE)
        self.beats = self.last_id = self.packets = self.overflows = 0

    @classmethod
    def create(cls) -> SharedStats:
        """Make a new page; its descriptor can be inherited by name only (pass_fds)."""
        fd = os.memfd_create("fwhelpers-worker")
        os.ftruncate(fd, mmap.PAGESIZE)
        return cls(fd)

    def beat(self) -> None:
        """Worker: say that the loop goes round."""
        self.beats += 1
        self.publish()

    def publish(self) -> None:
        """Worker: write all fields."""
        _FIELDS.pack_into(self._map, 0, self.beats, self.last_id, self.packets, self.overflows)

    def read(self) -> SharedStats:
        """Manager: refresh all fields."""
        self.beats, self.last_id, self.packets, self.overflows = _FIELDS.unpack_from(self._map)
        return self

    def close(self) -> None:
        """Unmap and close."""
        self._map.close()
        os.close(self.fd)


class HandoverFile:
    """The file, in memory, in which a worker leaves what its successor needs. Read once, at the start."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        with open(fd, "rb", closefd=False) as file:
            file.seek(0)
            self.left = file.read()
        self._empty()

    def _empty(self) -> None:
        # who comes after a crash must not find what was true once
        os.ftruncate(self._fd, 0)
        os.lseek(self._fd, 0, os.SEEK_SET)

    def leave(self, data: bytes) -> None:
        """Write it; needs no right but write(2)."""
        view = memoryview(data)
        while view:
            view = view[os.write(self._fd, view) :]
