"""Replay a capture: list the connections that the helpers would have expected, and the frames that matched them.

Engine and guard are the real ones; conntrack and the steering rules are simulated. A capture does not record which
networks were on-link; `replay_links` documents the assumptions.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fwhelpers.api import Endpoint, Event, Expect, Flow, Helper, Parser
from fwhelpers.engine.expectation_key import ExpectationId, key_of
from fwhelpers.engine.guard import Limits, Prefix
from fwhelpers.engine.headers import ACK, SYN, TCP, Segment, locate
from fwhelpers.engine.inspector import Active, Inspector
from fwhelpers.engine.verdict import Report, Verdict
from fwhelpers.kernel import labels, transports
from fwhelpers.kernel.conntrack import Tuple
from fwhelpers.kernel.expect import Expectation
from fwhelpers.kernel.nfqueue import LOCAL_IN, POST_ROUTING
from fwhelpers.testing import pcap
from fwhelpers.testing.fake_conntrack import Connection, Conntrack, Expected, confirm
from fwhelpers.testing.fragments import Reassembly
from fwhelpers.testing.link_layer import ip_packet, is_broadcast
from fwhelpers.testing.portless import locate_portless
from fwhelpers.testing.queued_packet import QueuedPacket, ctinfo
from fwhelpers.testing.replay_links import ReplayLinks

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
    """An `Expect` of a parser, and its result."""

    helper: str
    master: Tuple
    trigger: int
    flow: Flow
    want: Expect | None
    note: Report
    expected: Expected | None

    def as_dict(self) -> dict[str, Any]:
        """Return the object that `fwhelpers replay --json` prints."""
        note, expected = self.note, self.expected
        return {
            "helper": self.helper,
            "master": _tuple_dict(self.master),
            "expected": self._tuple(),
            "trigger": self.trigger,
            "data": expected.data if expected else None,
            "refused": f"{note.rule}: {note.reason}" if expected is None else None,
        }

    def _tuple(self) -> dict[str, Any]:
        if self.expected:
            tup, mask = self.expected.expectation.tuple, self.expected.expectation.mask
            fields = _tuple_dict(tup) | ({} if mask.sport == 0xFFFF else {"sport": None})
            length = int.from_bytes(mask.src, "big").bit_count()
            return (
                fields
                if length == 8 * len(mask.src)
                else fields | {"src": f"{fields['src']}/{length}"}
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
class _Now:
    """The current frame, and the state of its processing."""

    frame: int = 0
    time: float = float("-inf")
    broadcast: bool = False  #: the frame went to the link layer's broadcast address
    connection: Connection | None = None
    want: Expect | None = None
    created: dict[Tuple, Expected] = field(default_factory=dict)


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
            if helper.parser is None:  # the kernel's alone
                continue
            self._enable(name, helper, settings.get(name, {}), limits.get(name, Limits()))
        self._table = Conntrack(self._assign, self._redirects)
        self._inspector = Inspector(
            self._active, self, self._on_report, links=ReplayLinks(self._now, links)
        )
        self._reassembly = Reassembly()
        self._announcements: list[Announcement | Abandonment] = []

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
            # a capture may begin anywhere, so connections that it begins within are picked up
            pickup = replace(active, settings={**settings, _PICKUP: True})
            self._active[helper.kernel_name + _PICKUP] = pickup
            self._names[helper.kernel_name + _PICKUP] = name

    def _assign(self, tuple_: Tuple, midway: bool) -> str:
        fitting = (
            h
            for h in self._by_port.get((transports.name_of(tuple_.l4), tuple_.dport), ())
            if _steered(h, tuple_, self._now.broadcast)
        )
        name = next((helper.kernel_name for helper in fitting), "")
        if name and midway:
            return name + _PICKUP if name + _PICKUP in self._active else ""
        return name

    def _redirects(self, helper: str) -> bool:
        return helper in self._active and self._active[helper].helper.redirects

    # packets

    def frame(self, frame: pcap.Frame) -> None:
        """Process the next frame."""
        self._now.frame = frame.number
        self._now.time = max(self._now.time, frame.time)  # some captures step back
        self._now.broadcast = is_broadcast(frame.link, frame.data)
        packet = ip_packet(frame.link, frame.data)
        whole = self._reassembly.feed(packet, self._now.time) if packet else None
        segment = (locate(whole) or locate_portless(whole)) if whole else None
        if whole is not None and segment is not None:
            self._packet(whole, segment)

    def _packet(self, packet: bytes, segment: Segment) -> None:
        now = self._now
        connection, reply = self._table.track(packet, segment, now.time, now.frame)
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
            announced = self._is_received_announcement(packet, connection)
            hook = LOCAL_IN if announced else POST_ROUTING
            entry = connection.entry(self._now.time)
            queued = QueuedPacket(packet, entry, ctinfo(entry, reply), hook, indev=1, outdev=1)
            verdict = self._inspector.packet(queued.decode(), self._now.time)
            self._apply(connection, verdict)
            if not verdict.repeat:
                return verdict.accept
        raise AssertionError(f"the engine has asked for the same packet {_MAX_REPEATS} times")

    def _is_received_announcement(self, packet: bytes, connection: Connection) -> bool:
        """Return whether the packet is an announcement to a group.

        A capture does not record which host is ours. Requests are taken as our own, announcements as received.
        """
        prefix = self._active[connection.helper].helper.listen_for
        segment = locate(packet) if prefix else None
        return segment is not None and packet.startswith(prefix, segment.data)

    def _apply(self, connection: Connection, verdict: Verdict) -> None:
        if verdict.info is not None:
            connection.info = verdict.info
        if verdict.done:
            connection.labels |= 1 << labels.DONE
        if verdict.timeout is not None:
            connection.expires = max(connection.expires, self._now.time + verdict.timeout)

    # the protocol `engine.verdict.ExpectationTable`

    def create(self, expectation: Expectation) -> int:
        """Create the expectation; always succeeds, like `replace`."""
        connection = self._now.connection
        if connection is None:
            raise AssertionError("an expectation without a packet")
        policy = self._active[connection.helper].helper.policies[expectation.klass]
        expected = self._table.expect(expectation, policy.max, self._now.time)
        self._now.created[expectation.tuple] = expected
        return 0

    def replace(self, expectation: Expectation) -> int:
        """Create or replace the expectation."""
        return self.create(expectation)

    def renew(self, expectation: Expectation, seconds: int) -> bool:
        """Return False: an announcement that renews is listed like the first."""
        return False

    def delete(self, expectation: Expectation) -> None:
        """Delete the expectation."""
        self._table.forget(expectation)

    def release(self, expectation: Expectation) -> None:
        """Delete an equal expectation."""
        self._table.forget(expectation)

    def has(self, expectation: Expectation) -> bool:
        """Return whether the expectation exists."""
        return self._table.has(expectation, self._now.time)

    def ended(self) -> Sequence[ExpectationId]:
        """Return the expectations that were used up since the last call."""
        used, self._table.used = self._table.used, []
        return [ExpectationId(key_of(expectation), expectation.master) for expectation in used]

    # results

    def _on_report(self, note: Report) -> None:
        if self._now.connection is None:
            return
        if note.kind in ("poisoned", "failed"):
            master = self._now.connection.orig
            name = self._names[note.helper]
            self._announcements.append(Abandonment(name, master, self._now.frame, note.reason))
        if note.kind not in ("expected", "refused"):
            return
        expected = None
        if note.expectation is not None:
            if note.expectation.tuple not in self._now.created:
                self.create(note.expectation)  # the verdict carries it
            expected = self._now.created.pop(note.expectation.tuple)
        self._announcements.append(
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
        """Yield the announcements and the abandoned connections up to now."""
        for event in self._announcements:
            yield event.as_dict()


def _steered(helper: Helper, tuple_: Tuple, broadcast: bool) -> bool:
    """Return True if the steering rules assign the helper; `broadcast` is that of the frame."""
    if not helper.outgoing:
        return True
    address = ipaddress.ip_address(tuple_.dst)
    if any(address in ipaddress.ip_network(group) for group in helper.groups):
        return True
    if helper.unicast and tuple_.dst != tuple_.src:
        return True
    if not helper.broadcast or len(tuple_.dst) != 4 or tuple_.dst == tuple_.src:
        return False
    return broadcast or tuple_.dst[3] == 255


def _listening(parser: type[Parser], now: _Now) -> type[Parser]:
    """Return a parser class that records the event before the engine handles it."""

    class Listening(parser):  # type: ignore[valid-type,misc]
        def feed(self, data: bytes, reply: bool) -> Iterator[Event]:
            for event in super().feed(data, reply):
                now.want = event if isinstance(event, Expect) else None
                yield event

    return Listening


def _tuple_dict(tup: Tuple) -> dict[str, Any]:
    src, dst = Endpoint(tup.src, tup.sport), Endpoint(tup.dst, tup.dport)
    ports = transports.has_ports(tup.l4)
    return {
        "l4": transports.name_of(tup.l4),
        "src": src.host,
        "sport": src.port if ports else None,
        "dst": dst.host,
        "dport": dst.port if ports else None,
    }
