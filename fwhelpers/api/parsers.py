"""Base classes of parsers, by the form of the messages."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from typing import Any, ClassVar

from fwhelpers.api.events import Event, Expect, Flow, ParseError, Resize, Rewrite


class Parser:
    """Base class of `DatagramParser`, `StreamParser` and `LineParser`, which are easier to use.

    Plugins may read `self.flow` and `self.settings` (validated), and read and write `self.memory`, a mapping that the
    control connections of a client share, as they meet the same worker. It is bounded and may be cleared anytime.
    """

    #: bytes that `save` may return (stream positions take the rest of conntrack's 32)
    STATE_MAX: ClassVar[int] = 20

    #: bytes of memory that a parser may take, which `fwhelpers.testing` checks
    MEMORY_MAX: ClassVar[int] = 256 * 1024

    #: TCP's urgent bytes are part of the stream, as in Telnet; otherwise urgent data ends the inspection
    reads_urgent: ClassVar[bool] = False

    def __init__(self, flow: Flow, settings: Mapping[str, Any]) -> None:
        self.flow = flow
        self.settings = settings
        self.memory: MutableMapping[bytes, bytes] = {}
        #: The hosts that announcements may name (`guard.address` of the configuration). "peer": the two ends of the
        #: control connection. "announced": any host that its messages name. "any-src": the same, and any host may
        #: connect. An announcement beyond it is refused
        self.address = "peer"

    def feed(self, data: bytes, reply: bool) -> Iterator[Event]:
        """Parse the next bytes of a direction and yield events.

        For UDP `data` is one datagram and spans count from its first byte. For TCP spans count from the beginning of
        the direction's stream.
        """
        raise NotImplementedError

    @property
    def buffered(self) -> int:
        """Bytes of received data that the parser holds. The core bounds the sum over all flows."""
        return 0

    def boundary(self, reply: bool) -> bool:
        """Return True if the direction stands between two messages, so that `save` loses nothing."""
        return True

    def resync(self, reply: bool) -> bool:
        """Handle the loss of bytes of a direction.

        Return True if parsing can continue with bytes that begin anywhere.
        """
        return False

    def resumable(self) -> bool:
        """Return True if a parser that knows nothing but the flow could continue here, after `pick_up`.

        Called at message boundaries. Nothing may be outstanding in either direction.
        """
        return False

    def pick_up(self) -> None:
        """Begin at a place for which another gateway's parser returned True from `resumable`."""

    def save(self) -> bytes:
        """Return the state that must survive this process, at most STATE_MAX bytes. Called at message boundaries."""
        return b""

    def restore(self, state: bytes) -> None:
        """Restore the result of `save`. Raises ParseError if it is invalid."""


class DatagramParser(Parser):
    """Parses one datagram at a time."""

    #: A datagram with the same bytes as one of the last half minute is a retransmission, which says nothing new. It is
    #: not parsed, but rewritten as that one was
    retransmits: ClassVar[bool] = False

    def datagram(self, data: bytes, reply: bool) -> Iterable[Event]:
        """Parse one datagram; spans count from its first byte."""
        raise NotImplementedError

    def feed(self, data: bytes, reply: bool) -> Iterator[Event]:
        yield from self.datagram(data, reply)


class StreamParser(Parser):
    """Cuts the byte stream of each direction into messages.

    `max_message` bounds the buffered bytes of a direction; a longer message is a ParseError.
    """

    max_message: ClassVar[int] = 65536  #: bytes

    def __init__(self, flow: Flow, settings: Mapping[str, Any]) -> None:
        super().__init__(flow, settings)
        self._kept = (bytearray(), bytearray())
        self._position = [0, 0]  # of the message in hand; between two messages of the next one
        self._to_skip = [0, 0]

    def message_size(self, data: bytearray, reply: bool) -> int:
        """Return the size of the message that begins at data[0], 0 if more bytes are needed to find out."""
        raise NotImplementedError

    def message(self, data: bytes, reply: bool) -> Iterable[Event]:
        """Parse one complete message; spans count from its first byte."""
        raise NotImplementedError

    def skip(self, size: int, reply: bool) -> None:
        """Pass over the `size` bytes after the current message without buffering them."""
        self._to_skip[reply] = size

    def position(self, reply: bool) -> int:
        """Return the stream offset of the message that is being parsed."""
        return self._position[reply]

    @property
    def buffered(self) -> int:
        return len(self._kept[0]) + len(self._kept[1])

    def feed(self, data: bytes, reply: bool) -> Iterator[Event]:
        kept = self._kept[reply]
        kept += data
        while kept:
            size = min(self._to_skip[reply], len(kept))
            if size:
                self._to_skip[reply] -= size
            else:
                size = self.message_size(kept, reply)
                if size <= 0 or size > len(kept):
                    break
                position = self._position[reply]
                for event in self.message(bytes(kept[:size]), reply):
                    yield _rebased(event, position)
            del kept[:size]
            self._position[reply] += size
        if len(kept) > self.max_message:
            raise ParseError(f"message of more than {self.max_message} bytes")

    def boundary(self, reply: bool) -> bool:
        return not self._kept[reply] and not self._to_skip[reply]


class LineParser(StreamParser):
    """Cuts streams into lines that end in LF, with or without CR before it."""

    max_message: ClassVar[int] = 2048  #: bytes

    def __init__(self, flow: Flow, settings: Mapping[str, Any]) -> None:
        super().__init__(flow, settings)
        self._searched = [0, 0]

    def line(self, line: bytes, reply: bool) -> Iterable[Event]:
        """Parse one line including its line end; spans count from its first byte."""
        raise NotImplementedError

    def message_size(self, data: bytearray, reply: bool) -> int:
        # continue where the last search ended: a peer that sends single bytes costs O(n), not O(n²)
        end = data.find(b"\n", self._searched[reply])
        self._searched[reply] = 0 if end >= 0 else len(data)
        if end > self.max_message:
            raise ParseError(f"line of more than {self.max_message} bytes")
        return end + 1

    def message(self, data: bytes, reply: bool) -> Iterable[Event]:
        return self.line(data, reply)


def _rebased(event: Event, base: int) -> Event:
    if isinstance(event, Expect):
        return event.moved(base)
    if isinstance(event, Resize):
        span, body = _moved(event.span, base), _moved(event.body, base)
        return dataclasses.replace(event, span=span, body=body)
    if isinstance(event, Rewrite):
        return dataclasses.replace(event, span=_moved(event.span, base))
    return event


def _moved(span: tuple[int, int], base: int) -> tuple[int, int]:
    return span[0] + base, span[1] + base
