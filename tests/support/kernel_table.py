"""The kernel's expectation table behind a netlink socket, as far as ctnetlink and clashes go."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from errno import EBUSY, EEXIST, EIO, ENOENT

from fwhelpers.kernel import expect, nfnl
from fwhelpers.kernel.conntrack import Tuple, parse_tuple
from fwhelpers.kernel.expect import Expectation
from fwhelpers.kernel.nfnl import Message, NetlinkError
from fwhelpers.kernel.nla import number, parse
from fwhelpers.worker.expectations import ExpectationTable

_TUPLE, _ZONE = 2, 7  #: enum ctattr_expect


def errnos(request: Callable[[bytes], object], messages: Iterable[bytes]) -> list[int]:
    """Send requests one after another; return the errno of each, 0 where it succeeded."""
    numbers = []
    for message in messages:
        try:
            request(message)
            numbers.append(0)
        except NetlinkError as error:
            numbers.append(error.errno or EIO)
    return numbers


class KernelTable:
    """At most one expectation for each tuple and mask; its master is the first that asked."""

    def __init__(self) -> None:
        self.expectations: dict[tuple[int, Tuple], Expectation] = {}
        self.requests: list[int] = []
        #: ends that the kernel reports; None: it lost some
        self.events: list[Expectation | None] = []

    @property
    def table(self) -> ExpectationTable:
        return ExpectationTable(self, self)  # type: ignore[arg-type]

    def read(self) -> Iterator[Message | None]:
        """The events of ends, as an EventSocket."""
        while self.events:
            expectation = self.events.pop(0)
            (message,) = nfnl.split(expect.encode_create(expectation)) if expectation else (None,)
            yield message

    def request(self, message: bytes) -> list[bytes]:
        (request,) = nfnl.split(message)
        self.requests.append(request.kind)
        if request.kind == expect.NEW and not request.flags & nfnl.CREATE:
            self._renew(request.payload)
            return []
        if request.kind == expect.NEW:
            self.add(expect.parse_expectation(request.payload))
            return []
        tup, zone = _key(request.payload)
        current = self.expectations.get((zone, tup))
        if current is None:
            raise NetlinkError(ENOENT, "expectation")
        if request.kind == expect.DELETE:
            self._end((zone, tup))
            return []
        (reply,) = nfnl.split(expect.encode_create(current))
        return [bytes(reply.payload)]

    def request_all(self, messages: list[bytes]) -> list[int]:
        return errnos(self.request, messages)

    def add(self, expectation: Expectation) -> None:
        key = expectation.zone, expectation.tuple
        current = self.expectations.get(key)
        if current is not None:
            raise NetlinkError(EEXIST if current.mask == expectation.mask else EBUSY, "create")
        self.expectations[key] = replace(expectation, timeout=0)

    def _renew(self, payload: memoryview) -> None:
        if _key(payload)[::-1] not in self.expectations:
            raise NetlinkError(ENOENT, "renew")

    def attach(self, expectation: Expectation | None) -> None:
        """Attach a verdict's expectation; the kernel reports no error."""
        if expectation is not None:
            self.expectations.setdefault((expectation.zone, expectation.tuple), expectation)

    def use(self, port: int) -> None:
        """A connection comes that was expected at this port."""
        (key,) = [key for key in self.expectations if key[1].dport == port]
        self._end(key)

    def _end(self, key: tuple[int, Tuple]) -> None:
        self.events.append(self.expectations.pop(key))

    @property
    def ports(self) -> list[int]:
        return sorted(tup.dport for _, tup in self.expectations)


def _key(payload: memoryview) -> tuple[Tuple, int]:
    parts = parse(payload)
    return parse_tuple(parts[_TUPLE]), number(parts.get(_ZONE, memoryview(b"")))
