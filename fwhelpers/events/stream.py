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
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from fwhelpers.engine import handover
from fwhelpers.engine.expectation_key import ExpectationId
from fwhelpers.events.attribution import Announcement, Attribution
from fwhelpers.events.reported import ReportedExpectation, ReportedExpectations
from fwhelpers.events.ring_buffer import RingBuffer
from fwhelpers.events.serialize import InstalledHelpers, Loss, Serializer
from fwhelpers.events.statistics import LiveCounts, Statistics
from fwhelpers.events.suppressed import SuppressedCounter
from fwhelpers.events.tracker import Event, EventKind, Events, TrackedExpectation, Tracker
from fwhelpers.kernel import conntrack, expect, nfnl
from fwhelpers.kernel.bpf import helper_events
from fwhelpers.kernel.nfnl import Message, NetlinkError
from fwhelpers.kernel.nla import DecodeError
from fwhelpers.kernel.raw_events import (
    ExpectationBytes,
    RawExpectation,
    identity_bytes,
    read_connection,
    read_connection_end,
    read_expectation,
)
from fwhelpers.kernel.socket import EventSocket, NetlinkSocket
from fwhelpers.worker import messages
from fwhelpers.worker.expectations import ExpectationTable
from fwhelpers.worker.messages import Counters, FlowReport, ReportKind, Restarted

log = logging.getLogger("fwhelpers")

TICK = 0.5  #: seconds between looks at the clock
MAX_BURST = 256  #: events read before other tasks of the loop run
#: seconds for which events are collected: to wake for each would cost more than to handle it, and take the processor
#: from the workers that cause them
COLLECT = 0.02

# nlmsghdr.nlmsg_type
_EXPECTATION_NEW = nfnl.CTNETLINK_EXP << 8 | expect.NEW
_EXPECTATION_END = nfnl.CTNETLINK_EXP << 8 | expect.DELETE
_CONNECTION_END = nfnl.CTNETLINK << 8 | conntrack.DELETE


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
        self.statistics = Statistics()
        #: called with the identity of an expectation that was created, renewed or reported, or has ended
        self.on_change: Callable[[ExpectationBytes], None] | None = None
        self._live = LiveCounts()
        self._attribution = Attribution()
        self._reported = ReportedExpectations(self.tracker)
        self._serializer = Serializer(interface_name)
        self._source: EventSocket | None = None
        self._netlink: NetlinkSocket | None = None
        self._suppressed = SuppressedCounter()
        self._dropped = 0
        self._ticking: asyncio.Task[None] | None = None
        self._collecting: asyncio.Handle | None = None

    # life cycle

    def start(self) -> None:
        """Subscribe to the kernel's events, then read the current expectations. Raises NetlinkError."""
        self._netlink = NetlinkSocket()
        groups = (*conntrack.GROUPS, *expect.GROUPS)
        self._source = EventSocket(groups, helper_events())
        loop = asyncio.get_running_loop()
        loop.add_reader(self._source.fileno(), self._collect)
        self._ticking = loop.create_task(self._tick())
        for _ in self.tracker.resync(self._dump(), time.monotonic()):
            pass  # expectations from before our start are no events

    def close(self) -> None:
        if self._ticking is not None:
            self._ticking.cancel()
        if self._collecting is not None:
            self._collecting.cancel()
        if self._source is not None:
            asyncio.get_running_loop().remove_reader(self._source.fileno())
            self._source.close()
        if self._netlink is not None:
            self._netlink.close()
        self._source = self._netlink = self._ticking = self._collecting = None

    # input

    def _collect(self) -> None:
        """Read the events later, with those that will have followed."""
        assert self._source is not None
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._source.fileno())
        self._collecting = loop.call_later(COLLECT, self._read_all)

    def _read_all(self) -> None:
        assert self._source is not None
        self._collecting = None
        loop = asyncio.get_running_loop()
        count = 0
        try:
            count = self._read()
        finally:  # an error of one event must not be the last
            if count == MAX_BURST:
                self._collecting = loop.call_soon(self._read_all)
            else:
                loop.add_reader(self._source.fileno(), self._collect)

    def _read(self) -> int:
        """Handle up to MAX_BURST events; return their number."""
        assert self._source is not None
        now = time.monotonic()
        self._attribution.holding = self.ring.readers > 0
        count = 0
        for message in islice(self._source.read(), MAX_BURST):
            count += 1
            if message is None:
                self._resync()
            else:
                self.on_kernel_event(message, now)
        return count

    def on_kernel_event(self, message: Message, now: float) -> None:
        try:
            events = self._track(message.type, message.payload, now)
        except DecodeError as error:
            log.warning("unreadable event from the kernel: %s", error)
            return
        if events:
            self._attribute(events, now)

    def _track(self, kind: int, payload: memoryview, now: float) -> Events:
        if kind == _EXPECTATION_NEW:
            return self.tracker.created(read_expectation(payload), now)
        if kind == _EXPECTATION_END:
            ended = read_expectation(payload)
            events = self.tracker.destroyed(ended, now)
            if self.on_change is not None and not events:  # what became of it is not known yet
                self.on_change(ended.identity)
            return events
        if kind == _CONNECTION_END:
            self.tracker.disconnected(read_connection_end(payload))
            return ()
        connection = read_connection(payload)
        if connection.status & conntrack.IPS_HELPER:
            self.tracker.control(connection.identity, connection)
        return self.tracker.connected(connection)

    def on_worker_message(
        self, queue: int, message: messages.Message | Restarted, now: float
    ) -> None:
        """Helpers that are not installed are ignored: a hostile worker could name any number of them."""
        match message:
            case FlowReport():
                if message.helper in self.installed.helpers:
                    self._on_report(queue, message, now)
            case Counters(totals):
                ours = {h: n for h, n in totals.items() if h in self.installed.helpers}
                for helper, count in self._suppressed.compare(queue, ours):
                    self._count(helper, EventKind.REFUSED, count)
                    self.statistics.count_suppressed(helper, count)
                    self.add_loss("workers", count)
            case Restarted():
                self._suppressed.reset(queue)

    def _on_report(self, queue: int, report: FlowReport, now: float) -> None:
        if report.kind is ReportKind.REFUSED:
            self._suppressed.add_report(queue, report.helper)
            self._count(report.helper, EventKind.REFUSED)
            self.statistics.add_refusal(report, time.time())
            self.ring.add(Item(EventKind.REFUSED, report.helper, report))
        elif report.kind is ReportKind.EXPECTED and report.expectation is not None:
            announcement = Announcement(report.trigger, report.interface, report.timeout)
            identity = _identity(report.expectation)
            self._reported.add(identity, queue, report.account, report.timeout, now)
            events = self._attribution.add_report(identity, announcement, now)
            self._add(events)
            if self.on_change is not None and not events:
                self.on_change(identity)
        elif report.kind is ReportKind.RENEWED and report.expectation is not None:
            self._on_renewal(queue, report, _identity(report.expectation), now)
        elif report.kind in (ReportKind.POISONED, ReportKind.FAILED):
            self._count(report.helper, EventKind.ABANDONED)
            self.ring.add(Item(EventKind.ABANDONED, report.helper, report))

    def _on_renewal(
        self, queue: int, report: FlowReport, identity: ExpectationBytes, now: float
    ) -> None:
        live = self.tracker.live(identity.key)
        if self._source is not None and (
            live is None or live.raw.identity.master != identity.master
        ):
            self._read()  # the creation waits in the other channel
        self._reported.add(identity, queue, report.account, report.timeout, now)
        for event in self.tracker.renewed(identity, report.timeout, now):
            if event.tracked is not None:
                event.tracked.trigger = report.trigger
            self._add(self._attribution.add_event(event, now))

    def handover_of(self, queue: int) -> bytes:
        """The live expectations of a worker that has died, as its successor reads them."""
        lives = self._reported.of_worker(queue, time.monotonic())
        return handover.encode([], expectations=lives)

    def report_of(self, identity: ExpectationBytes) -> ReportedExpectation | None:
        """Return the last report of a worker about an expectation."""
        return self._reported.get(identity)

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

    def _dump(self) -> list[RawExpectation]:
        assert self._netlink is not None
        expectations = []
        for payload in self._netlink.dump(expect.encode_dump(), "list expectations"):
            try:
                expectations.append(read_expectation(payload))
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
        self.statistics.losses[stage] += 1
        self.ring.add(Item(EventKind.LOST, "", Loss(stage, count, resynced)))

    def _attribute(self, events: Iterable[Event], now: float) -> None:
        for event in events:
            self._add(self._attribution.add_event(event, now))

    def _add(self, events: Iterable[Event]) -> None:
        for event in events:
            helper = event.tracked.raw.helper if event.tracked else ""
            self._count(helper, event.kind)
            if self.on_change is not None and event.tracked and event.kind is not EventKind.MATCHED:
                self.on_change(event.tracked.raw.identity)
            if self.ring.readers:
                self.ring.add(Item(event.kind, helper, event))
            else:
                self.ring.skip()

    def _count(self, kernel_name: str, kind: EventKind, count: int = 1) -> None:
        counts = self.counters.get(kernel_name)
        if counts is None:
            counts = self.counters[kernel_name] = Counter()
        counts[str(kind)] += count  # an Enum's hash is computed in Python
        self.statistics.count(kernel_name, kind, time.monotonic(), count)

    def pop_counters(self) -> dict[str, dict[str, int]]:
        """Number of events since the last call, by helper and kind."""
        counters, self.counters = self.counters, {}
        return {
            self.helper_name(name): {str(kind): count for kind, count in counts.items()}
            for name, counts in counters.items()
        }

    def live_counts(self) -> Mapping[str, tuple[int, int]]:
        """Numbers of pending expectations and of used ones with open connections, by kernel name."""
        return self._live.get(self.tracker.expectations, time.monotonic())

    def recent_refusals(self) -> list[dict[str, Any]]:
        """The last refused announcements with their times, oldest first."""
        return [
            {**self._serializer.refusal(report), "time": when}
            for when, report in self.statistics.recent
        ]

    def set_installed(self, installed: InstalledHelpers) -> None:
        self._serializer.installed = installed
        self._attribution.ours = installed.helpers

    @property
    def installed(self) -> InstalledHelpers:
        """Our helpers."""
        return self._serializer.installed

    def helper_name(self, kernel_name: str) -> str:
        """A helper's name in the configuration."""
        return self.installed.name(kernel_name)

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
        master = tracked.raw.identity.master
        if tracked.reply is None:
            tracked.reply = self.tracker.reply_of(master)
        if tracked.reply is None and self._netlink is not None:
            zone, orig = tracked.expectation.zone, tracked.expectation.master
            try:
                replies = self._netlink.request(conntrack.encode_get(orig, zone), "get connection")
                tracked.reply = conntrack.parse_conntrack(replies[0]).reply
            except (NetlinkError, DecodeError, IndexError):  # it has ended
                return
            self.tracker.control(master, tracked.reply)


def _identity(expectation: ExpectationId) -> ExpectationBytes:
    return identity_bytes(*expectation.key, expectation.master)


def interface_name(index: int) -> str:
    """An interface's name; empty if it no longer exists."""
    try:
        return socket.if_indextoname(index)
    except OSError:
        return ""
