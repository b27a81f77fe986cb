"""Calls: offers and answers of session descriptions, and the end of what they opened (RFC 3261, 3262, 3264, 3311).

    A                                   B
      INVITE, offer              →            B may send to A's ports at once: callees do so before they answer
                                 ←  183, 200, answer          A may send to B's ports
      re-INVITE, UPDATE, PRACK   ↔            the same; 2xx voids what the new description lacks, a failure the new one
      BYE, CANCEL                ↔            all is void

A call is known by its Call-ID, as several share a control connection. If a proxy forks it, several phones answer, each
with a dialog of its own, which the tag in To names (RFC 3261 §12, §13.2.2.4). The call ends with the last of them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

from fwhelpers.api import Cancel, Event, Expect, Keep, Refuse
from fwhelpers.sansio.sdp import Description

from .media import Ends, admit, admits, announce, at, bare, expects
from .message import Message
from .restart import save_call
from .streams import Stream, read_streams

#: memory of a control connection's calls, about: of a trunk, nine hundred calls that were answered. Of older ones only
#: unanswered requests are remembered, as what they opened has been used or expires
MAX_BYTES = 2 * 1024 * 1024
MAX_WAITING = 128  #: unanswered requests of forgotten calls
MAX_TRANSACTIONS = 8  #: of a call
MAX_ENDED = 64  #: ended calls and dialogs whose late messages are recognized
MAX_DIALOGS = 8  #: of a call

CALL_BYTES, ITEM_BYTES, WAITING_BYTES = 1500, 330, 150  #: memory of each, about

METHODS = frozenset((b"INVITE", b"UPDATE", b"PRACK", b"ACK", b"BYE", b"CANCEL"))


@dataclass(slots=True)
class Transaction:
    """A request that carries an offer, or whose answer does."""

    offerer: bool | None = None  #: which end made the offer; None: none yet
    streams: dict[bool, list[Stream]] = field(default_factory=dict)  #: of each end
    opened: dict[Expect, None] = field(default_factory=dict)
    provisional: int = 0  #: provisional responses
    answered: bool = False  #: by a final response
    begins: bool = False  #: it is no request within a dialog

    def remember(self, expect: Expect, most: int) -> None:
        """Remember an expectation, to withdraw it later. `most`: so many of them."""
        self.opened[bare(expect)] = None
        if len(self.opened) > most:
            del self.opened[next(iter(self.opened))]

    def items(self) -> int:
        """Return the number of expectations and streams that are remembered."""
        return len(self.opened) + 2 * sum(map(len, self.streams.values()))

    def forget(self) -> None:
        """Forget the descriptions: they are agreed, or others are."""
        self.opened.clear()
        self.streams.clear()


@dataclass(slots=True)
class Call:
    """What is known of one Call-ID."""

    most_open: int  #: expectations of a transaction that are remembered
    established: bool = False
    dialogs: tuple[bytes, ...] = ()  #: tags of the ends that have answered
    agreed: dict[Expect, None] = field(default_factory=dict)  #: by the last answered offer
    transactions: OrderedDict[tuple[bool, int, bytes], Transaction] = field(
        default_factory=OrderedDict
    )

    def begin(self, key: tuple[bool, int, bytes]) -> Transaction:
        """Return the transaction, a new one unless the request is repeated."""
        transaction = self.transactions.setdefault(key, Transaction())
        if len(self.transactions) > MAX_TRANSACTIONS:
            self.keep(self.transactions.pop(self._least()).opened)
        return transaction

    def _least(self) -> tuple[bool, int, bytes]:
        """Return the transaction that is needed least: while phones ring, many PRACKs follow an INVITE that waits."""
        return min(
            self.transactions,
            key=lambda key: (not self.transactions[key].answered, key[2] == b"INVITE"),
        )

    def keep(self, expects: dict[Expect, None]) -> None:
        """Add expectations to what was agreed."""
        self.agreed |= expects
        while len(self.agreed) > self.most_open:
            del self.agreed[next(iter(self.agreed))]

    def answer(self, tag: bytes, final: bool) -> None:
        """Add the dialog of a response to INVITE. The first final one ends those that have not answered finally."""
        if final and not self.established:
            self.dialogs = ()
        if tag and tag not in self.dialogs:
            self.dialogs = (*self.dialogs, tag)[-MAX_DIALOGS:]

    def leave(self, tags: tuple[bytes, bytes]) -> bytes:
        """End the dialog between the ends with these tags; return its tag if another one goes on."""
        others = tuple(tag for tag in self.dialogs if tag not in tags)
        former = [tag for tag in self.dialogs if tag in tags]
        self.dialogs = others
        return former[0] if former and others else b""

    def items(self) -> int:
        """Return the number of expectations, streams and further transactions that are remembered."""
        further = max(0, len(self.transactions) - 1)  # CALL_BYTES are those of a call with one
        return len(self.agreed) + further + sum(t.items() for t in self.transactions.values())

    def opened(self) -> dict[Expect, None]:
        """Return all that may be open."""
        expects = dict(self.agreed)
        for transaction in self.transactions.values():
            expects |= transaction.opened
        return expects


class Calls:
    """The calls of one control connection. `end` says which end sent a message: False the client, True the server."""

    def __init__(self, ends: Ends) -> None:
        self._ends = ends
        self._calls: OrderedDict[bytes, Call] = OrderedDict()
        self._items = 0
        self._ended: dict[bytes, None] = {}  #: keys of calls after their BYE, the latest last
        #: unanswered requests of forgotten calls, in the form of `save_call`, and who has made an offer
        self._waiting: OrderedDict[bytes, bool | None] = OrderedDict()

    @property
    def memory(self) -> int:
        """Bytes that the calls take, about."""
        return self._bytes() + WAITING_BYTES * len(self._waiting)

    def _bytes(self) -> int:
        return CALL_BYTES * len(self._calls) + ITEM_BYTES * self._items

    def handle(
        self, message: Message, end: bool, description: Description | None
    ) -> Iterator[Event]:
        """Act on a message of METHODS. `description`: the session description in its body."""
        call = self._calls.pop(message.key, None) or Call(self._ends.most_open)
        self._items -= call.items()
        if message.status:
            yield from self._response(call, message, end, description)
        else:
            yield from self._request(call, message, end, description)
        if call.established or call.transactions:
            self._calls[message.key] = call
            self._items += call.items()
            self._evict()

    def pending(self) -> tuple[bytes, tuple[bool, int, bytes], bool | None] | None:
        """Return the last call, its request that waits for an answer, and the end that has made an offer.

        An INVITE counts before the PRACKs and UPDATEs within it, as its answer is the one that opens most.
        """
        for key, call in islice(reversed(self._calls.items()), 1):
            waiting = [item for item in call.transactions.items() if not item[1].answered]
            waiting.sort(key=lambda item: item[0][2] == b"INVITE")
            for request, transaction in waiting[-1:]:
                return key, request, transaction.offerer
        return None

    def resume(self, key: bytes, request: tuple[bool, int, bytes], offerer: bool | None) -> None:
        """Continue with a request of which the answer is awaited."""
        call = self._calls[key] = Call(self._ends.most_open)
        call.begin(request).offerer = offerer

    def _evict(self) -> None:
        while self._bytes() > MAX_BYTES:
            key, oldest = self._calls.popitem(last=False)
            self._items -= oldest.items()
            for request, transaction in oldest.transactions.items():
                if not transaction.answered:
                    self._waiting[save_call(key, request, None)] = transaction.offerer
        while len(self._waiting) > MAX_WAITING:
            self._waiting.popitem(last=False)

    def _recall(self, call: Call, key: bytes, request: tuple[bool, int, bytes]) -> None:
        """Continue with a request of a call that was forgotten."""
        waiting = save_call(key, request, None)
        if waiting in self._waiting:
            call.begin(request).offerer = self._waiting.pop(waiting)

    def _end(self, key: bytes) -> None:
        self._ended[key] = None
        if len(self._ended) > MAX_ENDED:
            del self._ended[next(iter(self._ended))]

    def _request(
        self, call: Call, message: Message, end: bool, description: Description | None
    ) -> Iterator[Event]:
        if message.method == b"BYE":
            tag = call.leave((message.tag(b"from"), message.tag(b"to")))
            if tag:
                self._end(message.key + tag)
                return
            if call.established or call.transactions:
                self._end(message.key)
            yield from _void(call.opened())
            call.established = False
            call.transactions.clear()
            return
        if message.method == b"CANCEL":
            invite = call.transactions.get((end, message.cseq, b"INVITE"))
            if invite:
                yield from self._fail(call, invite)
            return
        # the answer to an offer in a response to INVITE is in its ACK
        method = b"INVITE" if message.method == b"ACK" else message.method
        key = (end, message.cseq, method)
        ended = message.key in self._ended and key not in call.transactions
        if message.method == b"ACK" and (ended or not description):
            return
        transaction = call.begin(key)
        transaction.begins |= message.method == b"INVITE" and not message.tag(b"to")
        invite = _acknowledged(call, message, end)
        if invite and description:
            yield from self._describe(call, invite, end, description)
            return
        if description:
            yield from self._describe(call, transaction, end, description)
        if message.method == b"ACK":
            yield from self._agree(call, transaction)

    def _response(
        self, call: Call, message: Message, end: bool, description: Description | None
    ) -> Iterator[Event]:
        key = (not end, message.cseq, message.method)
        if key not in call.transactions:
            self._recall(call, message.key, key)
        transaction = call.transactions.get(key)
        if transaction is None:
            # a repeated answer may arrive after the BYE, on a slow network or from a slow program
            if not description or message.key in self._ended:
                return
            if not self._ends.is_detour(message, end):
                yield Refuse("G4", f"{message.status} to no {message.method.decode('latin-1')}")
                return
            transaction = call.begin(key)
            transaction.offerer = not end
        if message.status >= 300:
            yield from self._fail(call, transaction)
            del call.transactions[key]
            return
        tag = message.tag(b"to")
        if message.status == 100 or (tag and message.key + tag in self._ended):
            return
        if transaction.begins:
            call.answer(tag, final=message.status >= 200)
        yield from self._refresh(transaction, message)
        if description:
            yield from self._describe(call, transaction, end, description)
        if message.status >= 200:
            call.established |= message.method == b"INVITE"
            transaction.answered = True
            yield from self._agree(call, transaction)
            # a call may be silent for as long; its next message must arrive nevertheless
            yield Keep(self._ends.keep)

    def _refresh(self, transaction: Transaction, message: Message) -> Iterator[Event]:
        """Prolong what is open: a phone may ring for longer than an expectation lives."""
        transaction.provisional += 1
        if transaction.provisional > 1 or message.status >= 200:
            yield from list(transaction.opened)

    def _describe(
        self, call: Call, transaction: Transaction, end: bool, description: Description
    ) -> Iterator[Event]:
        if transaction.offerer is None:
            transaction.offerer = end
        answer = transaction.offerer != end
        streams, refusals = admit(
            self._ends, end, read_streams(description, answer), self._ends.most_streams
        )
        yield from refusals
        if answer:
            yield from self._mux(transaction, not end, streams)
        transaction.streams[end] = streams
        others = transaction.streams.get(not end, [])
        for expect in announce(self._ends, end, streams, others):
            transaction.remember(expect, self._ends.most_open)
            yield expect
        # the other description may admit the host that this one names
        further = [*expects(self._ends, not end, others, streams)]
        # the host of an offer may send before the other end answers, to the ports that are agreed
        if not answer:
            further += admits(self._ends, end, streams, call.agreed)
        for expect in further:
            if expect not in transaction.opened:
                transaction.remember(expect, self._ends.most_open)
                yield expect

    def _mux(self, transaction: Transaction, end: bool, answer: list[Stream]) -> Iterator[Event]:
        """Void the offer's ports of RTCP where the answer agrees to one port for both."""
        offer = transaction.streams.get(end, [])
        for index, stream in enumerate(offer):
            if stream.mux and at(answer, index).mux:
                before = list(expects(self._ends, end, [stream], []))
                offer[index], rtcp = stream.muxed(), stream.rtcp()
                answer[index] = answer[index].muxed()
                yield from _void(expects(self._ends, end, [rtcp], []))
                for expect in before:
                    transaction.opened.pop(expect, None)
                for expect in expects(self._ends, end, [offer[index]], []):
                    transaction.remember(expect, self._ends.most_open)

    def _agree(self, call: Call, transaction: Transaction) -> Iterator[Event]:
        """Take the answered offer as the call's state: what earlier ones opened besides is void."""
        if len(transaction.streams) < 2:
            call.keep(transaction.opened)
            return
        agreed = {
            expect: None
            for end in (False, True)
            for expect in expects(
                self._ends, end, transaction.streams[end], transaction.streams[not end]
            )
        }
        # after a CANCEL that came too late they are to be opened again
        yield from (expect for expect in agreed if expect not in transaction.opened)
        former = call.agreed | transaction.opened
        for other in call.transactions.values():
            if other is not transaction and len(other.streams) == 2:
                former |= other.opened
                other.forget()
        yield from _void(expect for expect in former if expect not in agreed)
        call.agreed = agreed
        transaction.forget()

    def _fail(self, call: Call, transaction: Transaction) -> Iterator[Event]:
        """Void what the transaction opened; the state before it stays."""
        yield from _void(expect for expect in transaction.opened if expect not in call.agreed)
        transaction.opened.clear()


def _acknowledged(call: Call, message: Message, end: bool) -> Transaction | None:
    """Return the INVITE whose reliable provisional response had the offer that a PRACK answers (RFC 3262 §5)."""
    cseq = message.acknowledges if message.method == b"PRACK" else None
    invite = call.transactions.get((end, cseq, b"INVITE")) if cseq is not None else None
    waits = invite and invite.offerer is (not end) and end not in invite.streams
    return invite if waits else None


def _void(expects: Iterable[Expect]) -> Iterator[Event]:
    for expect in list(expects):
        yield Cancel(expect.policy, expect)
