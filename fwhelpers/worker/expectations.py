"""Makes expectations in the kernel for the engine."""

from __future__ import annotations

from errno import EEXIST, EIO

from fwhelpers.kernel import expect
from fwhelpers.kernel.expect import Expectation
from fwhelpers.kernel.nfnl import NetlinkError
from fwhelpers.kernel.socket import NetlinkSocket


class ExpectationTable:
    """`engine.verdict.Maker` over ctnetlink."""

    def __init__(self, netlink: NetlinkSocket) -> None:
        self._netlink = netlink

    def create(self, expectation: Expectation) -> int:
        """Create it; returns 0 or an errno."""
        return self._request(expect.encode_create(expectation, excl=True))

    def replace(self, expectation: Expectation) -> int:
        """Take over an equal one that another connection of the same client made.

        It opens the very same hole, but would close it when *its* connection ends. One with another
        translation leads elsewhere, to another client maybe: EEXIST.
        """
        return self.create(expectation) if self._released(expectation) else EEXIST

    def delete(self, expectation: Expectation) -> None:
        """Delete it if it is there."""
        self._request(expect.encode_delete(expectation))

    def release(self, expectation: Expectation) -> None:
        """Delete an equal one, whichever connection made it."""
        self._released(expectation)

    def _released(self, expectation: Expectation) -> bool:
        found = self._find(expectation)
        if found is None or _hole(found) != _hole(expectation):
            return False
        self.delete(expectation)
        return True

    def _find(self, expectation: Expectation) -> Expectation | None:
        try:
            found = self._netlink.request(expect.encode_get(expectation))
        except NetlinkError:
            return None
        return expect.parse_expectation(found[0]) if found else None

    def _request(self, message: bytes) -> int:
        try:
            self._netlink.request(message)
        except NetlinkError as error:
            return error.errno or EIO
        return 0


def _hole(e: Expectation) -> tuple[object, ...]:
    real = (e.nat.src, e.nat.sport, e.nat_dir) if e.nat else None
    return e.tuple, e.mask, real
