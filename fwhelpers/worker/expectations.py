"""Writes the engine's expectations to the kernel."""

from __future__ import annotations

from collections.abc import Sequence
from errno import EEXIST, EIO, ENOENT
from itertools import islice

from fwhelpers.engine.expectation_key import ExpectationId, leads_to, make_key
from fwhelpers.kernel import expect
from fwhelpers.kernel.expect import PERMANENT, Expectation
from fwhelpers.kernel.nfnl import NetlinkError
from fwhelpers.kernel.nla import Buffer, DecodeError
from fwhelpers.kernel.socket import EventSocket, NetlinkSocket

MAX_ENDED = 256  #: reports of the kernel that are read at once


class ExpectationTable:
    """`engine.verdict.ExpectationTable` over ctnetlink."""

    def __init__(self, netlink: NetlinkSocket, events: EventSocket | None = None) -> None:
        """`events` receives the ends of expectations."""
        self._netlink = netlink
        self._events = events

    def create(self, expectation: Expectation) -> int:
        """Create; return 0 or an errno."""
        return self._netlink.request_all([expect.encode_create(expectation, excl=True)])[0]

    def replace(self, expectation: Expectation) -> int:
        """Create, or take over an equal one that another connection of the same client announced.

        It leads to the same endpoint, but would end with *its* master. One with another translation may lead to
        another client: EEXIST.
        """
        try:
            current = self.get(expectation)
        except NetlinkError as error:
            return error.errno or EIO
        if current is None:
            return self.create(expectation)
        if leads_to(current) != leads_to(expectation):
            return EEXIST
        delete, create = expect.encode_delete(expectation), expect.encode_create(expectation)
        return self._netlink.request_all([delete, create])[1]

    def renew(self, expectation: Expectation, seconds: int) -> bool:
        """Restart the lifetime of an equal one of the same master; return False if there is none.

        A connection may come at any time, so it stays in its place.
        """
        try:
            current = self.get(expectation)
        except NetlinkError:
            return False
        if current is None or _fixed(current) != _fixed(expectation):
            return False
        return self._netlink.request_all([expect.encode_renew(expectation, seconds)])[0] == 0

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
        """Return whether it exists, with this master. In doubt it does: it counts, and is deleted."""
        try:
            current = self.get(expectation)
        except NetlinkError:
            return True
        return current is not None and _of_master(current) == _of_master(expectation)

    def ended(self) -> Sequence[ExpectationId] | None:
        """Return the ends that the kernel has reported since the last call, None if reports are lost.

        It returns at most MAX_ENDED, and the others the next time.
        """
        if self._events is None:
            return None
        messages = list(islice(self._events.read(), MAX_ENDED))
        payloads = [message.payload for message in messages if message is not None]
        if len(payloads) < len(messages):
            return None
        return [identity for payload in payloads if (identity := _identity(payload))]

    def get(self, expectation: Expectation) -> Expectation | None:
        """Return the kernel's expectation of the same tuple, None if there is none.

        Raises NetlinkError if the kernel does not say, for example because it has no memory.
        """
        try:
            return self._get(expectation)
        except NetlinkError:
            return self._get(expectation)

    def _get(self, expectation: Expectation) -> Expectation | None:
        try:
            payloads = self._netlink.request(expect.encode_get(expectation))
            return expect.parse_expectation(payloads[0]) if payloads else None
        except DecodeError:
            return None
        except NetlinkError as error:
            if error.errno == ENOENT:
                return None
            raise

    def _released(self, expectation: Expectation) -> bool:
        try:
            current = self.get(expectation)
        except NetlinkError:
            return False  # it may lead to another client
        if current is None or leads_to(current) != leads_to(expectation):
            return False
        self._delete(expectation)
        return True

    def _delete(self, expectation: Expectation) -> None:
        self._netlink.request_all([expect.encode_delete(expectation)])


def _of_master(expectation: Expectation) -> tuple[object, ...]:
    return leads_to(expectation), expectation.master


def _fixed(expectation: Expectation) -> tuple[object, ...]:
    """What stays as it is while an expectation lasts. The kernel adds a flag of its own."""
    return _of_master(expectation), expectation.klass, expectation.flags & PERMANENT


def _identity(payload: Buffer) -> ExpectationId | None:
    try:
        zone, expected, mask, master = expect.parse_identity(payload)
    except DecodeError:
        return None
    return ExpectationId(make_key(zone, expected, mask), master)
