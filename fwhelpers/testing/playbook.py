"""A conversation written down as a play, in the manner of mitmproxy's tests.

    play = Playbook(helper)
    assert (
        play
        >> client(b"PASV\\r\\n")
        >> server(b"227 =10,0,2,2,4,1\\r\\n")
        << Expect(play.client, play.server.at(1025), what="PASV")
    )

`>>` lets an end say something, `<<` states what the parser answers next: an event, or just its
class, or `ParseError`. An answer that is
not stated fails at the next line of the play, or at the `assert`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from fwhelpers.api import Endpoint, Event, Expect, Flow, Helper, ParseError, Parser
from fwhelpers.config.schema import setting_key

CLIENT = {4: Endpoint.parse("10.0.1.2", 40000), 6: Endpoint.parse("fd01::2", 40000)}
SERVER = {4: Endpoint.parse("10.0.2.2"), 6: Endpoint.parse("fd02::2")}

Answer = Event | ParseError


class Said(NamedTuple):
    """What an end says."""

    data: bytes
    reply: bool


def client(*data: bytes) -> Said:
    """The client says (the parts are joined)."""
    return Said(b"".join(data), False)


def server(*data: bytes) -> Said:
    """The server says."""
    return Said(b"".join(data), True)


def settings_of(helper: Helper, given: Mapping[str, Any]) -> dict[str, Any]:
    """A helper's settings as the configuration would give them: checked, defaults too."""
    known = {setting.name: setting for setting in helper.settings}
    if unknown := given.keys() - known.keys():
        raise ValueError(f"{helper.name} has no setting {', '.join(sorted(unknown))}")
    return {
        name: setting_key(setting).check(given.get(name, setting.default))
        for name, setting in known.items()
    }


def flow_of(helper: Helper, l4: str = "", family: int = 4) -> Flow:
    """A control connection between two usual hosts."""
    port = helper.ports[0] if helper.ports else 9
    return Flow(l4 or helper.l4s[0], CLIENT[family], SERVER[family].at(port))


def new_parser(
    helper: Helper, flow: Flow | None = None, settings: Mapping[str, Any] | None = None
) -> Parser:
    """A parser as the engine would make it."""
    flow = flow or flow_of(helper)
    return helper.parser_for(flow.l4)(flow, settings_of(helper, settings or {}))


class Playbook:
    """One control connection without its packets. Keyword arguments are the helper's settings."""

    def __init__(self, helper: Helper, l4: str = "", family: int = 4, **settings: Any) -> None:
        self.flow = flow_of(helper, l4, family)
        self.streams = (bytearray(), bytearray())  #: what each direction said (UDP: the last)
        self.last: Answer | None = None  #: the last answer that was stated, as the parser gave it
        self._helper, self._settings = helper, settings
        self._parser = new_parser(helper, self.flow, settings)
        self._answers: deque[Answer] = deque()
        self._failed = False

    @property
    def client(self) -> Endpoint:
        """The end that opened the connection."""
        return self.flow.client

    @property
    def server(self) -> Endpoint:
        """The end that answers."""
        return self.flow.server

    def __rshift__(self, said: Said) -> Playbook:
        self._nothing_left()
        assert not self._failed, "the parser has given up, nothing more is parsed"
        if self.flow.l4 == "udp":
            self.streams[said.reply].clear()
        self.streams[said.reply].extend(said.data)
        try:
            self._answers.extend(self._parser.feed(said.data, said.reply))
        except ParseError as error:
            self._failed = True
            self._answers.append(error)
        return self

    def __lshift__(self, stated: Event | type[Answer]) -> Playbook:
        assert self._answers, f"nothing was answered, stated was {stated}"
        self.last = self._answers.popleft()
        if isinstance(stated, type):
            assert isinstance(self.last, stated), f"{self.last} instead of {stated.__name__}"
        else:
            answered = comparable(self.last, stated)
            assert answered == stated, f"\nanswered {answered}\nstated   {stated}"
        return self

    def __bool__(self) -> bool:
        self._nothing_left()
        return True

    def restart(self) -> Playbook:
        """The worker dies; another one takes over what was saved."""
        self._nothing_left()
        assert self._parser.boundary(False), "the client's message is half-read"
        assert self._parser.boundary(True), "the server's message is half-read"
        saved = self._parser.save()
        assert len(saved) <= Parser.STATE_MAX
        self._parser = new_parser(self._helper, self.flow, self._settings)
        self._parser.restore(saved)
        for stream in self.streams:
            stream.clear()
        return self

    def rewritten(self, end: Endpoint, reply: bool, size: int | None = None) -> bytes:
        """The direction's bytes with another endpoint in the place of the last announcement's."""
        assert isinstance(self.last, Expect)
        return rewritten(self.last, bytes(self.streams[reply]), end, size)

    def _nothing_left(self) -> None:
        assert not self._answers, f"not stated: {list(self._answers)}"


def comparable(answered: Answer, stated: Event) -> Answer:
    """An answer without what a play can't state: functions, and the span unless it is stated."""
    if not isinstance(answered, Expect) or not isinstance(stated, Expect):
        return answered
    span = answered.span if stated.span is not None else None
    # the client's port says nothing unless `sport` is given
    return replace(
        answered, client=answered.client.at(stated.client.port), encode=None, fit=None, span=span
    )


def rewritten(event: Expect, stream: bytes, end: Endpoint, size: int | None = None) -> bytes:
    """What the engine makes of a stream when it writes another endpoint over an announcement.

    With `size` the text is fitted, as for IPv6. Raises ValueError if the announcement can't be rewritten so.
    """
    if event.span is None or event.encode is None:
        raise ValueError("the announcement can't be rewritten")
    start, stop = event.span
    text: bytes | None = event.encode(end)
    if size is not None and text is not None and len(text) != size:
        text = event.fit(end, size) if event.fit else None
    if text is None:
        raise ValueError(f"{end} can't be written in {size} bytes")
    return stream[:start] + text + stream[stop:]
