"""Replay a capture: which connections would the helpers have expected, and did those come?

The engine and its guard are the real ones; conntrack and the steering rules are simulated. A capture does not tell
which networks were on-link; `replay_links` says what is assumed.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from fwhelpers.api import Endpoint, Event, Expect, Flow, Helper, Parser
from fwhelpers.engine.guard import Limits, Prefix
from fwhelpers.engine.headers import ACK, SYN, TCP, Segment, locate
from fwhelpers.engine.inspector import Active, Inspector
from fwhelpers.engine.verdict import Report, Verdict
from fwhelpers.kernel import labels
from fwhelpers.kernel.conntrack import IPS_CONFIRMED, NO_ADJUSTMENT, SeqAdjustment, Tuple
from fwhelpers.kernel.expect import Expectation
from fwhelpers.kernel.nfqueue import LOCAL_IN, POST_ROUTING, Packet
from fwhelpers.testing import pcap
from fwhelpers.testing.fake_conntrack import Connection, Conntrack, Expected, confirm
from fwhelpers.testing.fragments import Reassembly
from fwhelpers.testing.link_layer import ip_packet, is_broadcast
from fwhelpers.testing.replay_links import ReplayLinks

_L4 = {6: "tcp", 17: "udp"}
_PICKUP = "pickup"  #: a helper's setting: parse connections that have begun already
_MAX_REPEATS = 64


def replay_file(
    path: Path | str,
    helpers: Mapping[str, Helper],
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    limits: Mapping[str, Limits] | None = None,
    links: Sequence[Prefix] = (),
) -> Iterator[dict[str, Any]]:
    """Yield the announcements of a capture file in order, expected or refused.

    `links` are networks that were on-link; see `ReplayLinks`. Raises ValueError if the file is no capture.
    """
    gateway = Replay(helpers, settings or {}, limits or {}, links)
    for frame in pcap.read(path):
        gateway.frame(frame)
    yield from gateway.results()


@dataclass
class Announcement:
    """What a parser wanted, and what became of it."""

    helper: str
    master: Tuple
    trigger: int
    flow: Flow
    want: Expect | None
    note: Report
    expected: Expected | None

    def as_dict(self) -> dict[str, Any]:
        """In the form that `fwhelpers replay --json` prints."""
        note, expected = self.note, self.expected
        return {
            "helper": self.helper,
            "master": _tuple_dict(self.master),
            "expected": self._wanted(),
            "trigger": self.trigger,
            "data": expected.data if expected else None,
            "refused": f"{note.rule}: {note.reason}" if expected is None else None,
        }

    def _wanted(self) -> dict[str, Any]:
        if self.expected:
            tup, mask = self.expected.expectation.tuple, self.expected.expectation.mask
            found = _tuple_dict(tup) | ({} if mask.sport else {"sport": None})
            length = int.from_bytes(mask.src, "big").bit_count()
            return (
                found
                if length == 8 * len(mask.src)
                else found | {"src": f"{found['src']}/{length}"}
            )
        end, want = self.note.refused, self.want
        return {
            "l4": (want.l4 if want else "") or self.flow.l4,
            "src": want.client.host if want else None,
            "sport": want.sport if want else None,
            "dst": end.host if isinstance(end, Endpoint) and end.addr else None,
            "dport": end.port if isinstance(end, Endpoint) else None,
        }


@dataclass
class Abandonment:
    """A control connection that the helper gave up."""

    helper: str
    master: Tuple
    frame: int
    reason: str

    def as_dict(self) -> dict[str, Any]:
        """In the form of an announcement without an expectation."""
        return {
            "helper": self.helper,
            "master": _tuple_dict(self.master),
            "expected": None,
            "trigger": self.frame,
            "data": None,
            "refused": f"gave up: {self.reason}",
        }


@dataclass
class QueuedPacket:
    """What the engine asks of a `kernel.queue.Packet`."""

    payload: bytes
    connection: Connection
    reply_direction: bool
    now: float
    helper: str
    zone: int = 0
    hook: int = POST_ROUTING
    indev: int = 1
    outdev: int = 1

    @property
    def tuple_orig_raw(self) -> bytes:
        return repr(self.connection.orig).encode()

    @property
    def orig(self) -> Tuple:
        return self.connection.orig

    @property
    def reply(self) -> Tuple:
        return self.connection.reply

    @property
    def ct_id(self) -> int:
        return self.connection.id

    @property
    def ctinfo(self) -> int:
        if self.reply_direction:
            return 3
        return 0 if self.confirmed else 2

    @property
    def status(self) -> int:
        return self.connection.status

    @property
    def confirmed(self) -> bool:
        return bool(self.connection.status & IPS_CONFIRMED)

    @property
    def info(self) -> bytes:
        return self.connection.info

    @property
    def labels(self) -> bytes:
        set_ = [bit for bit in range(128) if self.connection.labels >> bit & 1]
        return labels.bits(*set_)

    def seq_adjustment(self, reply: bool) -> SeqAdjustment:
        return NO_ADJUSTMENT

    @property
    def timeout(self) -> int:
        return int(self.connection.expires - self.now)


@dataclass
class _Now:
    """What is being looked at."""

    frame: int = 0
    time: float = float("-inf")
    broadcast: bool = False  #: the frame went to the link layer's broadcast address
    connection: Connection | None = None
    want: Expect | None = None
    made: dict[Tuple, Expected] = field(default_factory=dict)


class Replay:
    """A simulated gateway."""

    def __init__(
        self,
        helpers: Mapping[str, Helper],
        settings: Mapping[str, Mapping[str, Any]],
        limits: Mapping[str, Limits],
        links: Sequence[Prefix] = (),
    ) -> None:
        self._now = _Now()
        self._active: dict[str, Active] = {}
        self._names: dict[str, str] = {}
        self._by_port: dict[tuple[str, int], list[Helper]] = {}
        for name, helper in helpers.items():
            self._enable(name, helper, settings.get(name, {}), limits.get(name, Limits()))
        self._table = Conntrack(self._assign, self._redirects)
        self._inspector = Inspector(
            self._active, self, self._tell, links=ReplayLinks(self._now, links)
        )
        self._reassembly = Reassembly()
        self._found: list[Announcement | Abandonment] = []

    def _enable(
        self, name: str, helper: Helper, settings: Mapping[str, Any], limits: Limits
    ) -> None:
        parsers = {l4: _listening(helper.parser_for(l4), self._now) for l4 in helper.registered}
        active = Active(replace(helper, parser=parsers), settings, limits)
        self._active[helper.kernel_name] = active
        self._names[helper.kernel_name] = name
        for l4 in helper.l4s:
            for port in helper.ports:
                self._by_port.setdefault((l4, port), []).append(helper)
        if any(setting.name == _PICKUP for setting in helper.settings):
            # where a capture begins is chance: nobody could have seen to it that the helper was there
            pickup = replace(active, settings={**settings, _PICKUP: True})
            self._active[helper.kernel_name + _PICKUP] = pickup
            self._names[helper.kernel_name + _PICKUP] = name

    def _assign(self, seen: Tuple, midway: bool) -> str:
        fitting = (
            h
            for h in self._by_port.get((_L4[seen.l4], seen.dport), ())
            if _steered(h, seen, self._now.broadcast)
        )
        name = next((helper.kernel_name for helper in fitting), "")
        if name and midway:
            return name + _PICKUP if name + _PICKUP in self._active else ""
        return name

    def _redirects(self, helper: str) -> bool:
        return helper in self._active and self._active[helper].helper.redirects

    # packets

    def frame(self, frame: pcap.Frame) -> None:
        """Take the next frame."""
        self._now.frame = frame.number
        self._now.time = max(self._now.time, frame.time)  # some captures step back
        self._now.broadcast = is_broadcast(frame.link, frame.data)
        packet = ip_packet(frame.link, frame.data)
        whole = self._reassembly.feed(packet, self._now.time) if packet else None
        segment = locate(whole) if whole else None
        if whole is not None and segment is not None:
            self._packet(whole, segment)

    def _packet(self, packet: bytes, segment: Segment) -> None:
        now = self._now
        connection, reply = self._table.see(packet, segment, now.time, now.frame)
        now.connection = connection
        self._inspector.tick(now.time)
        queued = bool(connection.helper) and self._steer(segment, connection, reply)
        passes = self._queued(packet, connection, reply) if queued else True
        if passes:
            confirm(connection)

    def _steer(self, segment: Segment, connection: Connection, reply: bool) -> bool:
        if segment.l4 != TCP:
            return True
        if segment.flags & SYN:
            begins = not reply and not segment.flags & ACK and connection.begin()
            return begins and self._active[connection.helper].helper.client_announces
        return segment.data < segment.end and connection.steer(reply)

    def _queued(self, packet: bytes, connection: Connection, reply: bool) -> bool:
        for _ in range(_MAX_REPEATS):
            queued = QueuedPacket(packet, connection, reply, self._now.time, connection.helper)
            if self._heard(packet, connection):
                queued.hook = LOCAL_IN
            verdict = self._inspector.packet(cast(Packet, queued), self._now.time)
            self._apply(connection, verdict)
            if not verdict.repeat:
                return verdict.accept
        raise AssertionError("the engine wants the same packet for ever")

    def _heard(self, packet: bytes, connection: Connection) -> bool:
        """A capture does not tell who is this host: it is who asks, and who hears what others announce."""
        heard = self._active[connection.helper].helper.listen_for
        segment = locate(packet) if heard else None
        return segment is not None and packet.startswith(heard, segment.data)

    def _apply(self, connection: Connection, verdict: Verdict) -> None:
        if verdict.info is not None:
            connection.info = verdict.info
        if verdict.done:
            connection.labels |= 1 << labels.DONE
        if verdict.timeout is not None:
            connection.expires = max(connection.expires, self._now.time + verdict.timeout)

    # the kernel's side of expectations: `engine.verdict.Maker`

    def create(self, expectation: Expectation) -> int:
        """Make it; always succeeds, as `replace` would."""
        connection = self._now.connection
        if connection is None:
            raise AssertionError("an expectation without a packet")
        policy = self._active[connection.helper].helper.policies[expectation.klass]
        made = self._table.expect(expectation, policy.max, self._now.time)
        self._now.made[expectation.tuple] = made
        return 0

    def replace(self, expectation: Expectation) -> int:
        """The same."""
        return self.create(expectation)

    def delete(self, expectation: Expectation) -> None:
        """Remove it."""
        self._table.forget(expectation)

    def release(self, expectation: Expectation) -> None:
        """Remove an equal one."""
        self._table.forget(expectation)

    def has(self, expectation: Expectation) -> bool:
        """Is it still there?"""
        return self._table.has(expectation, self._now.time)

    # results

    def _tell(self, note: Report) -> None:
        if self._now.connection is None:
            return
        if note.kind in ("poisoned", "failed"):
            master = self._now.connection.orig
            name = self._names[note.helper]
            self._found.append(Abandonment(name, master, self._now.frame, note.reason))
        if note.kind not in ("expected", "refused"):
            return
        expected = None
        if note.expectation is not None:
            if note.expectation.tuple not in self._now.made:
                self.create(note.expectation)  # it goes with the verdict
            expected = self._now.made.pop(note.expectation.tuple)
        self._found.append(
            Announcement(
                self._names[note.helper],
                self._now.connection.orig,
                self._now.frame,
                note.flow,
                self._now.want,
                note,
                expected,
            )
        )

    def results(self) -> Iterator[dict[str, Any]]:
        """What was found so far."""
        for event in self._found:
            yield event.as_dict()


def _steered(helper: Helper, seen: Tuple, broadcast: bool) -> bool:
    """Return True if the steering rules assign the helper; `broadcast` is that of the frame."""
    if not helper.outgoing:
        return True
    address = ipaddress.ip_address(seen.dst)
    if any(address in ipaddress.ip_network(group) for group in helper.groups):
        return True
    if helper.unicast and seen.dst != seen.src:
        return True
    if not helper.broadcast or len(seen.dst) != 4 or seen.dst == seen.src:
        return False
    return broadcast or seen.dst[3] == 255


def _listening(parser: type[Parser], now: _Now) -> type[Parser]:
    """The parser class, telling which event the engine is about to act on."""

    class Listening(parser):  # type: ignore[valid-type,misc]
        def feed(self, data: bytes, reply: bool) -> Iterator[Event]:
            for event in super().feed(data, reply):
                now.want = event if isinstance(event, Expect) else None
                yield event

    return Listening


def _tuple_dict(tup: Tuple) -> dict[str, Any]:
    src, dst = Endpoint(tup.src, tup.sport), Endpoint(tup.dst, tup.dport)
    return {
        "l4": _L4[tup.l4],
        "src": src.host,
        "sport": src.port,
        "dst": dst.host,
        "dport": dst.port,
    }
