"""What the engine answers for a packet, and what it tells beside it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol

from fwhelpers.api import Flow
from fwhelpers.kernel.expect import Expectation


@dataclass(frozen=True, slots=True)
class Verdict:
    """A packet's fate. The default is to let it pass untouched, which may be answered in batches."""

    accept: bool = True
    payload: bytes | None = None  #: the rewritten IP packet
    info: bytes | None = None  #: private data to store in the conntrack entry
    done: bool = False  #: the flow leaves the queue for good
    timeout: int | None = None  #: seconds that the conntrack entry must live at least
    status: int | None = None  #: IPS_* bits that the conntrack entry is to have
    #: to attach to a connection that conntrack has not confirmed yet
    expectation: Expectation | None = None
    repeat: bool = False  #: the packet must come again, more is to be attached

    @property
    def plain(self) -> bool:
        """True if nothing but "accept" is said."""
        return self is ACCEPT or self == ACCEPT

    def but(self, **changes: Any) -> Verdict:
        """The same with some fields changed."""
        return replace(self, **changes)


ACCEPT = Verdict()


class Report(NamedTuple):
    """Something that people or counters may want to know."""

    kind: str  #: "expected" "refused" "poisoned" "done" "dropped" "failed"
    helper: str
    flow: Flow
    reason: str = ""
    rule: str = ""  #: "G5"; empty where no safety rule was applied
    expectation: Expectation | None = None
    refused: Any = None  #: the Endpoint that a refused announcement named
    what: str = ""
    interface: int = (
        0  #: index of the one by which the announcement came (went, if it is this host's), if known
    )


class ExpectationTable(Protocol):
    """Makes expectations for connections that are in the conntrack table already."""

    def create(self, expectation: Expectation) -> int:
        """Create; 0 or an errno (EEXIST: an equal one exists, EBUSY: an overlapping one)."""

    def replace(self, expectation: Expectation) -> int:
        """Create in the place of an equal one, if that has the same translation; 0 or an errno (EEXIST)."""

    def delete(self, expectation: Expectation) -> None:
        """Delete; no error if there is none."""

    def release(self, expectation: Expectation) -> None:
        """Delete an equal one with the same translation, whichever connection made it; no error if there is none."""
