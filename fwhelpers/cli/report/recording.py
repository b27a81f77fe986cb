"""Replays a capture and records its control connections: messages, announcements, what used them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from fwhelpers.api import Endpoint
from fwhelpers.engine.headers import TCP, Segment
from fwhelpers.kernel.conntrack import Tuple
from fwhelpers.testing import pcap
from fwhelpers.testing.fake_conntrack import Connection, tuple_of
from fwhelpers.testing.replay import Abandonment, Announcement, Replay

MAX_SESSIONS = 200
MAX_MESSAGES = 400  #: of one session
MAX_BYTES = 2000  #: of one message

#: kinds of rows
OPENED, USED, REFUSED, ABANDONED = "opened", "used", "refused", "gave up"


class Message(NamedTuple):
    """Payload of a control connection."""

    frame: int
    time: float  #: seconds since the capture's first frame
    reply: bool
    data: bytes
    size: int  #: bytes before cutting


class Row(NamedTuple):
    """What happened at a frame, beside the messages."""

    frame: int
    kind: str
    text: str
    others: tuple[int, ...] = ()  #: frames that the text ends with

    def words(self) -> str:
        """Return the text with the numbers of the other frames."""
        return self.text + ", ".join(f"frame {number}" for number in self.others)


@dataclass(slots=True)
class Session:
    """A control connection."""

    helper: str
    title: str
    client: str
    server: str
    messages: list[Message] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    omitted: int = 0  #: messages

    def count(self, kind: str) -> int:
        """Return the number of rows of a kind."""
        return sum(row.kind == kind for row in self.rows)


@dataclass(slots=True)
class Recording:
    """The sessions of a capture in the order of their first frames."""

    name: str
    sessions: list[Session] = field(default_factory=list)
    frames: int = 0
    seconds: float = 0.0
    omitted: int = 0  #: sessions


class Recorder(Replay):
    """A simulated gateway that keeps what passed."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._recording = Recording("")
        self._sessions: dict[Connection, Session] = {}
        self._by_master: dict[tuple[str, Tuple], Session] = {}
        self._data: dict[int, str] = {}  #: expected connections by their first frames
        self._start: float | None = None

    def frame(self, frame: pcap.Frame) -> None:
        if self._start is None:
            self._start = frame.time
        super().frame(frame)
        self._recording.frames = frame.number
        self._recording.seconds = self._now.time - self._start

    def _packet(self, packet: bytes, segment: Segment) -> None:
        super()._packet(packet, segment)
        connection = self._now.connection
        if connection is None:
            return
        if connection.master is not None:
            self._data.setdefault(self._now.frame, describe(connection.orig))
        if connection.helper and segment.data < segment.end:
            reply = tuple_of(packet, segment) != connection.orig
            self._add(connection, reply, packet[segment.data : segment.end])

    def _add(self, connection: Connection, reply: bool, data: bytes) -> None:
        session = self._sessions.get(connection)
        if session is None:
            if len(self._recording.sessions) >= MAX_SESSIONS:
                self._recording.omitted += 1
                return
            session = self._new_session(connection)
        if len(session.messages) >= MAX_MESSAGES:
            session.omitted += 1
            return
        time = self._now.time - (self._start or 0.0)
        message = Message(self._now.frame, time, reply, data[:MAX_BYTES], len(data))
        session.messages.append(message)

    def _new_session(self, connection: Connection) -> Session:
        orig = connection.orig
        name = self._names[connection.helper]
        ends = (str(Endpoint(orig.src, orig.sport)), str(Endpoint(orig.dst, orig.dport)))
        session = Session(name, f"{name}: {describe(orig)}", *ends)
        self._sessions[connection] = self._by_master[name, orig] = session
        self._recording.sessions.append(session)
        return session

    def recording(self, name: str) -> Recording:
        """Return what was recorded; `name` is the capture's."""
        for item in self._announcements:
            session = self._by_master.get((item.helper, item.master))
            if session is not None:
                session.rows.extend(self._rows(item))
        self._recording.name = name
        return self._recording

    def _rows(self, item: Announcement | Abandonment) -> Iterator[Row]:
        if isinstance(item, Abandonment):
            yield Row(item.frame, ABANDONED, item.reason)
            return
        values = item.as_dict()
        words = f"{item.note.trigger}: " if item.note.trigger else ""
        expected = describe_expected(values["expected"])
        if item.expected is None:
            yield Row(item.trigger, REFUSED, f"{words}{expected}: {values['refused']}")
            return
        seconds = item.expected.expectation.timeout
        data = item.expected.data
        text = f"{words}{expected} for {seconds} s, "
        if data is None:
            yield Row(item.trigger, OPENED, f"{text}not used in this capture")
            return
        yield Row(item.trigger, OPENED, f"{text}used by ", (data,))
        connection = self._data.get(data, "a connection")
        yield Row(data, USED, f"{connection} matches the expectation of ", (item.trigger,))


def describe(value: Tuple) -> str:
    """Return a connection's original direction."""
    transport = "tcp" if value.l4 == TCP else "udp"
    source, destination = Endpoint(value.src, value.sport), Endpoint(value.dst, value.dport)
    return f"{transport} {source} → {destination}"


def describe_expected(values: dict[str, Any] | None) -> str:
    """Return an expected connection, with "any" for what may be anything."""
    if values is None:
        return "an announcement"
    source = _end(values["src"], values["sport"])
    return f"{values['l4']} {source} → {_end(values['dst'], values['dport'])}"


def _end(host: str | None, port: int | None) -> str:
    shown = "any" if host is None else f"[{host}]" if ":" in host else host
    return f"{shown}:{'any' if port is None else port}"
