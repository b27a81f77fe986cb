"""Writes the engine's expectations to the kernel."""

from __future__ import annotations

from errno import EEXIST

from fwhelpers.engine.expectation_key import leads_to
from fwhelpers.kernel import expect
from fwhelpers.kernel.expect import Expectation
from fwhelpers.kernel.nfnl import NetlinkError
from fwhelpers.kernel.nla import DecodeError
from fwhelpers.kernel.socket import NetlinkSocket


class ExpectationTable:
    """`engine.verdict.ExpectationTable` over ctnetlink."""

    def __init__(self, netlink: NetlinkSocket) -> None:
        self._netlink = netlink

    def create(self, expectation: Expectation) -> int:
        """Create; return 0 or an errno."""
        return self._netlink.request_all([expect.encode_create(expectation, excl=True)])[0]

    def replace(self, expectation: Expectation) -> int:
        """Create, or take over an equal one that another connection of the same client announced.

        It leads to the same endpoint, but would end with *its* master. One with another translation may lead to
        another client: EEXIST.
        """
        current = self.get(expectation)
        if current is None:
            return self.create(expectation)
        if leads_to(current) != leads_to(expectation):
            return EEXIST
        delete, create = expect.encode_delete(expectation), expect.encode_create(expectation)
        return self._netlink.request_all([delete, create])[1]

    def delete(self, expectation: Expectation) -> None:
        """Delete if it exists.

        The kernel deletes by the tuple alone. Behind a translated address another client may have the same tuple once
        this one was used or has expired, so the current one is compared first.
        """
        if self.has(expectation):
            self._delete(expectation)

    def release(self, expectation: Expectation) -> None:
        """Delete an equal one, of any master."""
        self._released(expectation)

    def has(self, expectation: Expectation) -> bool:
        """Return whether it exists, with this master."""
        current = self.get(expectation)
        return current is not None and (leads_to(current), current.master) == (
            leads_to(expectation),
            expectation.master,
        )

    def get(self, expectation: Expectation) -> Expectation | None:
        """Return the kernel's expectation of the same tuple, None if there is none."""
        try:
            payloads = self._netlink.request(expect.encode_get(expectation))
            return expect.parse_expectation(payloads[0]) if payloads else None
        except (NetlinkError, DecodeError):
            return None

    def _released(self, expectation: Expectation) -> bool:
        current = self.get(expectation)
        if current is None or leads_to(current) != leads_to(expectation):
            return False
        self._delete(expectation)
        return True

    def _delete(self, expectation: Expectation) -> None:
        self._netlink.request_all([expect.encode_delete(expectation)])
