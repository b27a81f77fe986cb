"""Writes the engine's expectations to the kernel."""

from __future__ import annotations

from errno import EEXIST, EIO

from fwhelpers.kernel import expect
from fwhelpers.kernel.expect import Expectation
from fwhelpers.kernel.nfnl import NetlinkError
from fwhelpers.kernel.socket import NetlinkSocket


class ExpectationTable:
    """`engine.verdict.ExpectationTable` over ctnetlink."""

    def __init__(self, netlink: NetlinkSocket) -> None:
        self._netlink = netlink

    def create(self, expectation: Expectation) -> int:
        """Create; return 0 or an errno."""
        return self._request(expect.encode_create(expectation, excl=True))

    def replace(self, expectation: Expectation) -> int:
        """Take over an equal one that another connection of the same client announced.

        It leads to the same endpoint, but would end with *its* master. One with another translation may lead to
        another client: EEXIST.
        """
        return self.create(expectation) if self._released(expectation) else EEXIST

    def delete(self, expectation: Expectation) -> None:
        """Delete if it exists."""
        self._request(expect.encode_delete(expectation))

    def release(self, expectation: Expectation) -> None:
        """Delete an equal one, of any master."""
        self._released(expectation)

    def _released(self, expectation: Expectation) -> bool:
        current = self._get(expectation)
        if current is None or _destination(current) != _destination(expectation):
            return False
        self.delete(expectation)
        return True

    def _get(self, expectation: Expectation) -> Expectation | None:
        try:
            payloads = self._netlink.request(expect.encode_get(expectation))
        except NetlinkError:
            return None
        return expect.parse_expectation(payloads[0]) if payloads else None

    def _request(self, message: bytes) -> int:
        try:
            self._netlink.request(message)
        except NetlinkError as error:
            return error.errno or EIO
        return 0


def _destination(e: Expectation) -> tuple[object, ...]:
    real = (e.nat.src, e.nat.sport, e.nat_dir) if e.nat else None
    return e.tuple, e.mask, real
