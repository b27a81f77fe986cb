"""The results of inspecting a packet: its verdict, reports, and writes to the kernel's expectation table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from fwhelpers.api import Flow
from fwhelpers.engine.expectation_key import ExpectationId
from fwhelpers.engine.registry import NO_ACCOUNT, Account
from fwhelpers.kernel.expect import Expectation


@dataclass(slots=True, init=False)
class Verdict:
    """A packet's fate. The default accepts it unchanged, and can be sent in a batch.

    ACCEPT is shared: whoever changes a verdict calls `own` first.
    """

    accept: bool = True
    payload: bytes | None = None  #: the rewritten IP packet
    info: bytes | None = None  #: private data to store in the conntrack entry
    done: bool = False  #: the flow leaves the queue for good
    outlived: bool = False  #: the end of the TCP connection is queued, as expectations outlive it
    labels: bytes | None = None  #: the labels of `kernel.labels.POSITION_MASK` to store
    timeout: int | None = None  #: minimum remaining lifetime of the conntrack entry, in seconds
    status: int | None = None  #: IPS_* bits to set in the conntrack entry
    #: to attach to a connection that conntrack has not confirmed yet
    expectation: Expectation | None = None
    repeat: bool = False  #: queue the packet again, to attach further expectations

    def __init__(
        self,
        accept: bool = True,
        payload: bytes | None = None,
        info: bytes | None = None,
        done: bool = False,
        repeat: bool = False,
    ) -> None:
        self.accept = accept
        self.payload = payload
        self.info = info
        self.done = done
        self.outlived = False
        self.labels = None
        self.timeout = self.status = None
        self.expectation = None
        self.repeat = repeat

    @property
    def plain(self) -> bool:
        """True if it only accepts."""
        return self is ACCEPT or (self.info is None and self.timeout is None and self.is_usual())

    def is_usual(self) -> bool:
        """Return whether it accepts, and changes nothing but private data and lifetime."""
        return (
            self.accept
            and self.payload is None
            and not self.done
            and not self.outlived
            and self.labels is None
            and self.status is None
            and self.expectation is None
            and not self.repeat
        )

    def own(self) -> Verdict:
        """Return a verdict that may be changed: this one, or a new one for ACCEPT."""
        return Verdict() if self is ACCEPT else self


ACCEPT = Verdict()


class Report(NamedTuple):
    """An incident for the log, the counters and the subscribers."""

    kind: str  #: "expected" "renewed" "refused" "poisoned" "done" "dropped" "failed"
    helper: str
    flow: Flow
    reason: str = ""
    rule: str = ""  #: "G5"; empty where no safety rule was applied
    expectation: Expectation | None = None
    refused: Any = None  #: the Endpoint that a refused announcement named
    trigger: str = ""  #: the announcement's `Expect.trigger`
    account: Account = NO_ACCOUNT  #: whose quota an expectation counts on
    interface: int = 0  #: index of the interface that the announcement came or left by, 0: unknown


class ExpectationTable(Protocol):
    """Writes expectations of connections that conntrack has confirmed."""

    def create(self, expectation: Expectation) -> int:
        """Create; return 0 or an errno (EEXIST: an equal one exists, EBUSY: an overlapping one)."""

    def replace(self, expectation: Expectation) -> int:
        """Create in place of an equal one that has the same translation; return 0 or an errno (EEXIST)."""

    def renew(self, expectation: Expectation, seconds: int) -> bool:
        """Restart the lifetime of an equal one of the same master; return False if there is none."""

    def delete(self, expectation: Expectation) -> None:
        """Delete if it exists; an equal one of another master stays."""

    def release(self, expectation: Expectation) -> None:
        """Delete an equal one with the same translation, of any master."""

    def has(self, expectation: Expectation) -> bool:
        """Return whether it exists, with this master."""

    def ended(self) -> Sequence[ExpectationId] | None:
        """Return the ends that the kernel has reported since the last call, None if it may have reported others.

        A report may be outdated.
        """
