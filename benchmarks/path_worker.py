"""A worker for `path.py`, whose system is a fake: queue and table are sockets, the clock stands still, no sandbox.

    path_worker.py QUEUE CONTROL PACE HELPER …        (descriptors, names)

The worker waits where it would poll. Then the other end of PACE sends a byte: "g" to go on, "m" to mark: processor time
and the number of created expectations are sent back, and getppid(2) is called, which callgrind recognizes; "y" runs
the yardstick.
"""

from __future__ import annotations

import os
import pickle
import select
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from struct import Struct, pack, unpack_from
from typing import Any

MARK = Struct("=QQ")
OUTDEV = 3  #: interface of outgoing packets
STEP = 0.01  #: seconds that the clock advances with each "g"
_LIMIT = 1_000_000
_NLMSG_ERROR, _ENOENT, _GET = 2, 2, 1
_SOL_NETLINK = 270

_real_socket, _real_poll = socket.socket, select.poll


class System:
    """The clock, and the expectations."""

    def __init__(self, pace: int) -> None:
        self.pace = pace
        self.now = 1000.0
        self.created = 0

    def wait(self) -> bool:
        """Wait for the other end; False if it is gone."""
        with suppress(BrokenPipeError):
            os.write(self.pace, b"i")
        while (order := os.read(self.pace, 1)) in (b"m", b"y"):
            if order == b"m":
                os.getppid()
                os.write(self.pace, MARK.pack(time.process_time_ns(), self.created))
            else:
                yardstick()
        self.now += STEP
        return order == b"g"


def yardstick() -> int:
    """Plain Python of the same kind, which tells builds of Python apart."""
    unpack, data, sums = Struct("=IH").unpack_from, bytes(range(64)), {}
    for number in range(2000):
        size, kind = unpack(data, number & 31)
        key = data[number & 15 : 16 + (number & 15)]
        sums[key] = sums.get(key, 0) + (size & 0xFF) + kind
    return sum(sums.values())


class Descriptor(_real_socket):
    """An inherited socket, which is no netlink socket."""

    def setsockopt(self, *arguments: Any) -> None:
        if arguments[0] != _SOL_NETLINK:
            super().setsockopt(*arguments)


class Table(_real_socket):
    """The kernel's table of expectations: creates all, has none."""

    def __init__(self, system: System) -> None:
        ours, self._kernel = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        super().__init__(fileno=ours.detach())
        self._system = system

    def bind(self, address: Any) -> None:
        pass

    def setsockopt(self, *arguments: Any) -> None:
        pass

    def send(self, data: bytes, flags: int = 0) -> int:  # type: ignore[override]
        at = 0
        while at < len(data):
            size, kind = unpack_from("=IH", data, at)
            missing = kind & 0xFF == _GET
            self._system.created += kind & 0xFF == 0
            answer = pack("=IHHIIi", 36, _NLMSG_ERROR, 0, 0, 0, -_ENOENT * missing)
            self._kernel.send(answer + data[at : at + 16])
            at += size + 3 & ~3
        return len(data)


def poll_of(system: System) -> Callable[[], Any]:
    class Poll:
        def __init__(self) -> None:
            self._poll = _real_poll()
            self.register, self.unregister = self._poll.register, self._poll.unregister

        def poll(self, timeout: float | None = None) -> list[tuple[int, int]]:
            while not (ready := self._poll.poll(0)):
                if not system.wait():
                    return self._poll.poll(0)
            return ready

    return Poll


def install(system: System) -> None:
    def make_socket(
        family: int = -1, type: int = -1, proto: int = -1, fileno: int | None = None
    ) -> Any:
        return Table(system) if family == socket.AF_NETLINK else Descriptor(fileno=fileno)

    patches: Any = (socket, select, time)
    patches[0].socket = make_socket
    patches[1].poll = poll_of(system)
    patches[2].monotonic = lambda: system.now


def configuration(names: list[str]) -> Any:
    from fwhelpers.engine.guard import Limits
    from fwhelpers.plugin.manager import load
    from fwhelpers.testing.playbook import settings_of
    from fwhelpers.worker.config import HelperOptions, WorkerConfig

    limits = Limits(rate=_LIMIT, max_per_source=_LIMIT)
    helpers = load().with_discovery(()).helpers
    options = {name: HelperOptions(settings_of(helpers[name], {}), limits) for name in names}
    return WorkerConfig(options, max_expectations=_LIMIT)


def addresses() -> Any:
    from fwhelpers.worker.onlink import Address, AddressTable

    own = bytes((10, 1, 0, 0))
    return AddressTable.of([Address(OUTDEV, own, own, 16)])


def main(queue: int, control: int, pace: int, *helpers: str) -> int:
    install(System(pace))  # before the worker's modules are imported
    from fwhelpers.worker import main as worker

    without_sandbox: Any = worker
    without_sandbox.enter_sandbox = list
    # the other end sends it back, as the manager would
    for message in (addresses(), configuration(list(helpers))):
        os.write(control, pickle.dumps(message))
    page, handover = os.memfd_create("page"), os.memfd_create("handover")
    os.ftruncate(page, 4096)
    return worker.main(map(str, (queue, control, page, handover, 0)))


if __name__ == "__main__":
    sys.exit(main(*map(int, sys.argv[1:4]), *sys.argv[4:]))
