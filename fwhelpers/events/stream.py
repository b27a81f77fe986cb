"""The stream of expectation events: from the kernel and from the workers, bounded, for as many readers as there are.

kernel ──EventSocket──▶ Tracker ──▶ Attribution ─▶ ┐
                                       ▲            ├─▶ Ring ──▶ subscribers, each at its own speed
workers' notes ── expected ────────────┘            │
               └─ refused ────────────────────────▶ ┘
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from fwhelpers.events.attribution import Attribution, WorkerReport
from fwhelpers.events.ring_buffer import RingBuffer
from fwhelpers.events.serialize import Describer, Known
from fwhelpers.events.tracker import Event, TrackedExpectation, Tracker
from fwhelpers.kernel import conntrack, expect, nfnl
from fwhelpers.kernel.bpf import helper_events
from fwhelpers.kernel.nfnl import Message, NetlinkError
from fwhelpers.kernel.nla import DecodeError
from fwhelpers.kernel.socket import EventSocket, NetlinkSocket
from fwhelpers.worker.messages import decode_made

log = logging.getLogger("fwhelpers")

TICK = 0.5  #: seconds between looks at the clock
SLICE = 256  #: events read before other work gets its turn


@dataclass(frozen=True, slots=True)
class Item:
    """One thing for subscribers. `kind` as of `tracker.Event`, or "refused", or "lost"."""

    kind: str
    helper: str  #: its name in the kernel; "" of what concerns all
    event: Event | None = None
    note: dict[str, Any] | None = None  #: of a refusal: the worker's words; of a loss: the details


class EventStream:
    """Everything about expectations that the bus tells. `start`, `close`; all in the event loop."""

    def __init__(self) -> None:
        self.ring: RingBuffer[Item] = RingBuffer()
        self.tracker = Tracker()
        self.counts: dict[str, Counter[str]] = {}  #: since the last `take_counts`
        self._attribution = Attribution()
        self._describer = Describer(interface_name)
        self._source: EventSocket | None = None
        self._netlink: NetlinkSocket | None = None
        self._untold = SuppressedCounter()
        self._forgotten = 0
        self._ticking: asyncio.Task[None] | None = None

    # up and down

    def start(self) -> None:
        """Listen, then look what is there already. Raises NetlinkError."""
        self._netlink = NetlinkSocket()
        groups = (*conntrack.GROUPS, *expect.GROUPS)
        self._source = EventSocket(groups, helper_events())
        loop = asyncio.get_running_loop()
        loop.add_reader(self._source.fileno(), self._read)
        self._ticking = loop.create_task(self._tick())
        for _ in self.tracker.resync(self._dump(), time.monotonic()):
            pass  # what was there before us is no news

    def close(self) -> None:
        """Stop listening."""
        if self._ticking is not None:
            self._ticking.cancel()
        if self._source is not None:
            asyncio.get_running_loop().remove_reader(self._source.fileno())
            self._source.close()
        if self._netlink is not None:
            self._netlink.close()
        self._source = self._netlink = self._ticking = None

    # in

    def _read(self) -> None:
        assert self._source is not None
        now = time.monotonic()
        for message in islice(self._source.read(), SLICE):
            if message is None:
                self._resync()
            else:
                self.take(message, now)

    def take(self, message: Message, now: float) -> None:
        """Take an event of the kernel's."""
        try:
            self._put(self._facts(message, now), now)
        except DecodeError as error:
            log.warning("an event of the kernel's can't be read: %s", error)

    def _facts(self, message: Message, now: float) -> Iterator[Event]:
        if message.subsystem == nfnl.CTNETLINK_EXP:
            told = expect.parse_expectation(message.payload)
            gone = message.kind == expect.DELETE
            yield from (self.tracker.destroyed if gone else self.tracker.created)(told, now)
            return
        entry = conntrack.parse_conntrack(message.payload)
        if message.kind == conntrack.DELETE:
            self.tracker.disconnected(entry.zone, entry.orig)
            return
        if entry.status & conntrack.IPS_HELPER:
            self.tracker.control(entry.zone, entry.orig, entry.reply)
        yield from self.tracker.connected(entry)

    def hear(self, message: dict[str, Any], now: float) -> None:
        """Take what a worker tells."""
        note = message.get("note")
        if note and note["kind"] == "refused":
            self._untold.told(message["queue"], note["helper"])
            self._count(note["helper"], "refused")
            self.ring.add(Item("refused", note["helper"], note=note))
        elif note and note["kind"] == "expected" and note.get("made"):
            words = WorkerReport(note["what"], note["interface"], note["timeout"])
            self._tell(self._attribution.said(decode_made(note["made"]), words, now))
        elif "counts" in message:
            for helper, count in self._untold.counted(message["queue"], message["counts"]):
                self._count(helper, "refused", count)
                self.lose("workers", count)
        elif "restarted" in message:
            self._untold.forget(message["queue"])

    def _resync(self) -> None:
        now = time.monotonic()
        try:
            found = list(self.tracker.resync(self._dump(), now))
        except NetlinkError as error:
            log.error("resynchronise expectations: %s", error)
            self.lose("kernel", 0, resynchronised=False)
            return
        self.lose("kernel", 0, resynchronised=True)
        self._put(found, now)

    def _dump(self) -> list[expect.Expectation]:
        assert self._netlink is not None
        found = []
        for payload in self._netlink.dump(expect.encode_dump(), "list expectations"):
            try:
                found.append(expect.parse_expectation(payload))
            except DecodeError as error:
                log.warning("an expectation can't be read: %s", error)
        return found

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            self.pass_time(time.monotonic())

    def pass_time(self, now: float) -> None:
        """Tell what follows from the time alone."""
        self._put(self.tracker.passed(now), now)
        self._tell(self._attribution.passed(now))
        if self.tracker.dropped != self._forgotten:
            self.lose("tracking", self.tracker.dropped - self._forgotten)
            self._forgotten = self.tracker.dropped

    # out

    def lose(self, where: str, count: int, resynchronised: bool = False) -> None:
        """Tell of a loss: in the "kernel", by "workers", in "tracking". 0: nobody knows how many."""
        details = {"name": where, "count": count, "resynchronised": resynchronised}
        self.ring.add(Item("lost", "", note=details))

    def _put(self, events: Iterable[Event], now: float) -> None:
        for event in events:
            self._tell(self._attribution.take(event, now))

    def _tell(self, events: Iterable[Event]) -> None:
        for event in events:
            helper = event.tracked.expectation.helper if event.tracked else ""
            self._count(helper, event.kind)
            self.ring.add(Item(event.kind, helper, event))

    def _count(self, kernel_name: str, kind: str, count: int = 1) -> None:
        self.counts.setdefault(kernel_name, Counter())[kind] += count

    def take_counts(self) -> dict[str, dict[str, int]]:
        """What happened since the last time, by helper."""
        counts, self.counts = self.counts, {}
        return {self._describer.known.name(name): dict(c) for name, c in counts.items()}

    def know(self, known: Known) -> None:
        """Tell which helpers are ours."""
        self._describer.known = known
        self._attribution.ours = known.helpers

    def helper_name(self, kernel_name: str) -> str:
        """A helper's name in the configuration."""
        return self._describer.known.name(kernel_name)

    def describe(self, item: Item) -> dict[str, Any]:
        """An item as a dictionary."""
        if item.event is None:
            note = item.note or {}
            return self._describer.refused(note) if item.kind == "refused" else note
        if item.event.tracked is not None:
            self._complete(item.event.tracked)
        return self._describer.event(item.event, time.monotonic())

    def listing(self) -> list[TrackedExpectation]:
        """The expectations that are there, and those whose connections are."""
        return self.tracker.holes()

    def describe_hole(self, hole: TrackedExpectation) -> dict[str, Any]:
        """One of `listing` as a dictionary."""
        self._complete(hole)
        return self._describer.expectation(hole, time.monotonic())

    def _complete(self, hole: TrackedExpectation) -> None:
        """Find the master's reply direction, which the kernel does not tell with an expectation."""
        if hole.reply is None:
            hole.reply = self.tracker.master(hole.master)
        if hole.reply is None and self._netlink is not None:
            zone, orig = hole.master
            try:
                found = self._netlink.request(conntrack.encode_get(orig, zone), "get a connection")
                hole.reply = conntrack.parse_conntrack(found[0]).reply
            except (NetlinkError, DecodeError, IndexError):  # it has ended
                return
            self.tracker.control(zone, orig, hole.reply)


class SuppressedCounter:
    """Workers tell 100 notes a second and count the rest: how many refusals were counted only?"""

    def __init__(self) -> None:
        self._told: dict[tuple[int, str], int] = {}

    def told(self, queue: int, helper: str) -> None:
        """A refusal was told in words."""
        self._told[queue, helper] = self._told.get((queue, helper), 0) + 1

    def counted(self, queue: int, counts: dict[str, dict[str, int]]) -> Iterator[tuple[str, int]]:
        """So many were counted in all; yields helpers with the number that nobody heard of."""
        for helper, numbers in counts.items():
            missing = numbers.get("refused", 0) - self._told.get((queue, helper), 0)
            if missing > 0:
                self._told[queue, helper] = numbers["refused"]
                yield helper, missing

    def forget(self, queue: int) -> None:
        """Another worker serves this queue, and counts from zero."""
        self._told = {key: value for key, value in self._told.items() if key[0] != queue}


def interface_name(index: int) -> str:
    """An interface's name; "" if it has gone."""
    try:
        return socket.if_indextoname(index)
    except OSError:
        return ""
