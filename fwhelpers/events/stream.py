"""The stream of expectation events from the kernel and the workers; bounded, with any number of readers.

kernel ──EventSocket──▶ Tracker ──▶ Attribution ─▶ ┐
                                       ▲            ├─▶ RingBuffer ──▶ subscribers, each at its own speed
workers' reports ── expected ──────────┘            │
                 └─ refused, abandoned ──────────▶ ┘
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

from fwhelpers.engine import handover
from fwhelpers.events.attribution import Announcement, Attribution
from fwhelpers.events.reported import ReportedExpectations
from fwhelpers.events.ring_buffer import RingBuffer
from fwhelpers.events.serialize import InstalledHelpers, Loss, Serializer
from fwhelpers.events.suppressed import SuppressedCounter
from fwhelpers.events.tracker import Event, EventKind, TrackedExpectation, Tracker
from fwhelpers.kernel import conntrack, expect, nfnl
from fwhelpers.kernel.bpf import helper_events
from fwhelpers.kernel.nfnl import Message, NetlinkError
from fwhelpers.kernel.nla import DecodeError
from fwhelpers.kernel.socket import EventSocket, NetlinkSocket
from fwhelpers.worker import messages
from fwhelpers.worker.expectations import ExpectationTable
from fwhelpers.worker.messages import Counters, FlowReport, ReportKind, Restarted

log = logging.getLogger("fwhelpers")

TICK = 0.5  #: seconds between looks at the clock
MAX_BURST = 256  #: events read before other tasks of the loop run


@dataclass(frozen=True, slots=True)
class Item:
    """One event for subscribers."""

    kind: EventKind
    helper: str  #: its name in the kernel; empty if the event concerns all
    content: Event | FlowReport | Loss


class EventStream:
    """Started and closed in the event loop."""

    def __init__(self) -> None:
        self.ring: RingBuffer[Item] = RingBuffer()
        self.tracker = Tracker()
        self.counters: dict[str, Counter[str]] = {}  #: since the last `pop_counters`
        self._attribution = Attribution()
        self._reported = ReportedExpectations(self.tracker)
        self._serializer = Serializer(interface_name)
        self._source: EventSocket | None = None
        self._netlink: NetlinkSocket | None = None
        self._suppressed = SuppressedCounter()
        self._dropped = 0
        self._ticking: asyncio.Task[None] | None = None

    # life cycle

    def start(self) -> None:
        """Subscribe to the kernel's events, then read the current expectations. Raises NetlinkError."""
        self._netlink = NetlinkSocket()
        groups = (*conntrack.GROUPS, *expect.GROUPS)
        self._source = EventSocket(groups, helper_events())
        loop = asyncio.get_running_loop()
        loop.add_reader(self._source.fileno(), self._read)
        self._ticking = loop.create_task(self._tick())
        for _ in self.tracker.resync(self._dump(), time.monotonic()):
            pass  # expectations from before our start are no events

    def close(self) -> None:
        if self._ticking is not None:
            self._ticking.cancel()
        if self._source is not None:
            asyncio.get_running_loop().remove_reader(self._source.fileno())
            self._source.close()
        if self._netlink is not None:
            self._netlink.close()
        self._source = self._netlink = self._ticking = None

    # input

    def _read(self) -> None:
        assert self._source is not None
        now = time.monotonic()
        for message in islice(self._source.read(), MAX_BURST):
            if message is None:
                self._resync()
            else:
                self.on_kernel_event(message, now)

    def on_kernel_event(self, message: Message, now: float) -> None:
        try:
            self._attribute(self._track(message, now), now)
        except DecodeError as error:
            log.warning("unreadable event from the kernel: %s", error)

    def _track(self, message: Message, now: float) -> Iterator[Event]:
        if message.subsystem == nfnl.CTNETLINK_EXP:
            expectation = expect.parse_expectation(message.payload)
            destroyed = message.kind == expect.DELETE
            handle = self.tracker.destroyed if destroyed else self.tracker.created
            yield from handle(expectation, now)
            return
        entry = conntrack.parse_conntrack(message.payload)
        if message.kind == conntrack.DELETE:
            self.tracker.disconnected(entry.zone, entry.orig)
            return
        if entry.status & conntrack.IPS_HELPER:
            self.tracker.control(entry.zone, entry.orig, entry.reply)
        yield from self.tracker.connected(entry)

    def on_worker_message(
        self, queue: int, message: messages.Message | Restarted, now: float
    ) -> None:
        """Helpers that are not installed are ignored: a hostile worker could name any number of them."""
        match message:
            case FlowReport():
                if message.helper in self._installed.helpers:
                    self._on_report(queue, message, now)
            case Counters(totals):
                ours = {h: n for h, n in totals.items() if h in self._installed.helpers}
                for helper, count in self._suppressed.compare(queue, ours):
                    self._count(helper, EventKind.REFUSED, count)
                    self.add_loss("workers", count)
            case Restarted():
                self._suppressed.reset(queue)

    def _on_report(self, queue: int, report: FlowReport, now: float) -> None:
        if report.kind is ReportKind.REFUSED:
            self._suppressed.add_report(queue, report.helper)
            self._count(report.helper, EventKind.REFUSED)
            self.ring.add(Item(EventKind.REFUSED, report.helper, report))
        elif report.kind is ReportKind.EXPECTED and report.expectation is not None:
            announcement = Announcement(report.trigger, report.interface, report.timeout)
            self._reported.add(report.expectation, queue, report.account, report.timeout, now)
            self._add(self._attribution.add_report(report.expectation, announcement, now))
        elif report.kind in (ReportKind.POISONED, ReportKind.FAILED):
            self._count(report.helper, EventKind.ABANDONED)
            self.ring.add(Item(EventKind.ABANDONED, report.helper, report))

    def handover_of(self, queue: int) -> bytes:
        """The live expectations of a worker that has died, as its successor reads them."""
        lives = self._reported.of_worker(queue, time.monotonic())
        return handover.encode([], expectations=lives)

    def _resync(self) -> None:
        now = time.monotonic()
        try:
            events = list(self.tracker.resync(self._dump(), now))
        except NetlinkError as error:
            log.error("resync expectations: %s", error)
            self.add_loss("kernel", 0, resynced=False)
            return
        self.add_loss("kernel", 0, resynced=True)
        self._attribute(events, now)

    def _dump(self) -> list[expect.Expectation]:
        assert self._netlink is not None
        expectations = []
        for payload in self._netlink.dump(expect.encode_dump(), "list expectations"):
            try:
                expectations.append(expect.parse_expectation(payload))
            except DecodeError as error:
                log.warning("unreadable expectation in the kernel's list: %s", error)
        return expectations

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK)
            self.advance(time.monotonic())

    def advance(self, now: float) -> None:
        """Add the events that follow from the time alone, and delete expectations whose worker does not."""
        if self._netlink is not None:
            table = ExpectationTable(self._netlink)
            for tracked in self._reported.overdue(now):
                table.delete(tracked.expectation)
        self._attribute(self.tracker.advance(now), now)
        self._add(self._attribution.advance(now))
        if self.tracker.dropped != self._dropped:
            self.add_loss("tracker", self.tracker.dropped - self._dropped)
            self._dropped = self.tracker.dropped

    # output

    def add_loss(self, stage: str, count: int, resynced: bool = False) -> None:
        """Report lost events: of the "kernel", of "workers", by "tracker". Count 0: unknown."""
        self.ring.add(Item(EventKind.LOST, "", Loss(stage, count, resynced)))

    def _attribute(self, events: Iterable[Event], now: float) -> None:
        for event in events:
            self._add(self._attribution.add_event(event, now))

    def _add(self, events: Iterable[Event]) -> None:
        for event in events:
            helper = event.tracked.expectation.helper if event.tracked else ""
            self._count(helper, event.kind)
            self.ring.add(Item(event.kind, helper, event))

    def _count(self, kernel_name: str, kind: EventKind, count: int = 1) -> None:
        self.counters.setdefault(kernel_name, Counter())[kind] += count

    def pop_counters(self) -> dict[str, dict[str, int]]:
        """Number of events since the last call, by helper and kind."""
        counters, self.counters = self.counters, {}
        return {
            self.helper_name(name): {str(kind): count for kind, count in counts.items()}
            for name, counts in counters.items()
        }

    def set_installed(self, installed: InstalledHelpers) -> None:
        self._serializer.installed = installed
        self._attribution.ours = installed.helpers

    @property
    def _installed(self) -> InstalledHelpers:
        return self._serializer.installed

    def helper_name(self, kernel_name: str) -> str:
        """A helper's name in the configuration."""
        return self._installed.name(kernel_name)

    def serialize(self, item: Item) -> dict[str, Any]:
        if isinstance(item.content, Event) and item.content.tracked is not None:
            self._complete(item.content.tracked)
        return self._serializer.item(item.content, time.monotonic())

    def expectations(self) -> list[TrackedExpectation]:
        """Live expectations, and used ones whose connections are open."""
        return self.tracker.expectations()

    def serialize_expectation(self, tracked: TrackedExpectation) -> dict[str, Any]:
        self._complete(tracked)
        return self._serializer.expectation(tracked, time.monotonic())

    def _complete(self, tracked: TrackedExpectation) -> None:
        """Look up the master's reply direction, which the kernel's expectation events lack."""
        if tracked.reply is None:
            tracked.reply = self.tracker.reply_of(tracked.master)
        if tracked.reply is None and self._netlink is not None:
            zone, orig = tracked.master
            try:
                replies = self._netlink.request(conntrack.encode_get(orig, zone), "get connection")
                tracked.reply = conntrack.parse_conntrack(replies[0]).reply
            except (NetlinkError, DecodeError, IndexError):  # it has ended
                return
            self.tracker.control(zone, orig, tracked.reply)


def interface_name(index: int) -> str:
    """An interface's name; empty if it no longer exists."""
    try:
        return socket.if_indextoname(index)
    except OSError:
        return ""
