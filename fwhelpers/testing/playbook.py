"""A conversation as a play, in the manner of mitmproxy's tests.

    play = Playbook(helper)
    assert (
        play
        >> client(b"PASV\\r\\n")
        >> server(b"227 =10,0,2,2,4,1\\r\\n")
        << Expect(play.client, play.server.at(1025), trigger="PASV")
    )

`>>` sends a message, `<<` states the parser's next answer: an event, the class of an event, or
`ParseError`. An answer that is not stated fails at the next `>>`, or at the `assert`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from fwhelpers.api import Endpoint, Event, Expect, Flow, Helper, ParseError, Parser, Rewrite
from fwhelpers.api.event_types import check_event
from fwhelpers.config.schema import setting_key

CLIENT = {4: Endpoint.parse("10.0.1.2", 40000), 6: Endpoint.parse("fd01::2", 40000)}
SERVER = {4: Endpoint.parse("10.0.2.2"), 6: Endpoint.parse("fd02::2")}

Answer = Event | ParseError


class Message(NamedTuple):
    """A message that one end sends."""

    data: bytes
    reply: bool


def client(*data: bytes) -> Message:
    """Return a message of the client; the parts are joined."""
    return Message(b"".join(data), False)


def server(*data: bytes) -> Message:
    """Return a message of the server; the parts are joined."""
    return Message(b"".join(data), True)


def settings_of(helper: Helper, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a helper's settings as the configuration has them: validated, with defaults."""
    by_name = {setting.name: setting for setting in helper.settings}
    if unknown := values.keys() - by_name.keys():
        raise ValueError(f"{helper.name} has no setting {', '.join(sorted(unknown))}")
    return {
        name: setting_key(setting).check(values.get(name, setting.default))
        for name, setting in by_name.items()
    }


def flow_of(helper: Helper, l4: str = "", family: int = 4) -> Flow:
    """Return a control connection between the two example hosts."""
    port = helper.ports[0] if helper.ports else 9
    return Flow(l4 or helper.l4s[0], CLIENT[family], SERVER[family].at(port))


def new_parser(
    helper: Helper,
    flow: Flow | None = None,
    settings: Mapping[str, Any] | None = None,
    address: str = "peer",
) -> Parser:
    """Create a parser as the engine does."""
    flow = flow or flow_of(helper)
    parser = helper.parser_for(flow.l4)(flow, settings_of(helper, settings or {}))
    parser.address = address
    return parser


class Playbook:
    """A control connection without packets. Further keyword arguments are the helper's settings.

    `address`: the hosts that announcements may name, as in `Parser.address`.
    """

    def __init__(
        self,
        helper: Helper,
        l4: str = "",
        family: int = 4,
        address: str = "peer",
        **settings: Any,
    ) -> None:
        self.flow = flow_of(helper, l4, family)
        #: each direction's bytes (UDP: the last datagram)
        self.streams = (bytearray(), bytearray())
        self.last: Answer | None = None  #: the parser's answer that was stated last
        self._helper, self._settings, self._address = helper, settings, address
        self._parser = new_parser(helper, self.flow, settings, address)
        self._answers: deque[Answer] = deque()
        self._failed = False

    @property
    def client(self) -> Endpoint:
        """The client's endpoint."""
        return self.flow.client

    @property
    def server(self) -> Endpoint:
        """The server's endpoint."""
        return self.flow.server

    def __rshift__(self, message: Message) -> Playbook:
        self._assert_all_stated()
        assert not self._failed, "the parser has raised ParseError; the flow is not parsed any more"
        if self.flow.l4 == "udp":
            self.streams[message.reply].clear()
        self.streams[message.reply].extend(message.data)
        try:
            for event in self._parser.feed(message.data, message.reply):
                check_event(event)
                self._assert_declared(event)
                self._answers.append(event)
        except ParseError as error:
            self._failed = True
            self._answers.append(error)
        return self

    def __lshift__(self, stated: Event | type[Answer]) -> Playbook:
        assert self._answers, f"no answer, stated {stated}"
        self.last = self._answers.popleft()
        if isinstance(stated, type):
            assert isinstance(self.last, stated), f"{self.last} instead of {stated.__name__}"
        else:
            answered = comparable(self.last, stated)
            assert answered == stated, f"\nanswered {answered}\nstated   {stated}"
        return self

    def __bool__(self) -> bool:
        self._assert_all_stated()
        return True

    def restart(self) -> Playbook:
        """Replace the worker by another, which restores the saved state."""
        self._assert_all_stated()
        assert self._parser.boundary(False), "the client's message is half-read"
        assert self._parser.boundary(True), "the server's message is half-read"
        saved = self._parser.save()
        assert len(saved) <= Parser.STATE_MAX
        self._parser = new_parser(self._helper, self.flow, self._settings, self._address)
        self._parser.restore(saved)
        for stream in self.streams:
            stream.clear()
        return self

    def rewritten(self, end: Endpoint, reply: bool, size: int | None = None) -> bytes:
        """Return the direction's bytes, with the endpoint of the last announcement replaced."""
        assert isinstance(self.last, Expect)
        return rewritten(self.last, bytes(self.streams[reply]), end, size)

    def _assert_declared(self, event: Event) -> None:
        policy = getattr(event, "policy", "")
        policies = [p.name for p in self._helper.policies]
        assert not policy or policy in policies, f"no policy {policy!r} among {policies}: {event}"

    def _assert_all_stated(self) -> None:
        assert not self._answers, f"not stated: {list(self._answers)}"


def comparable(answered: Answer, stated: Event) -> Answer:
    """Return the answer without its functions, and without its span unless `stated` has one."""
    if isinstance(answered, Rewrite) and isinstance(stated, Rewrite):
        return replace(answered, encode=stated.encode, fit=stated.fit)
    if not isinstance(answered, Expect) or not isinstance(stated, Expect):
        return answered
    span = answered.span if stated.span is not None else None
    # the client's port has no meaning without `sport`
    return replace(
        answered, client=answered.client.at(stated.client.port), encode=None, fit=None, span=span
    )


def rewritten(event: Expect, stream: bytes, end: Endpoint, size: int | None = None) -> bytes:
    """Return the stream with the announced endpoint replaced, as the engine rewrites it.

    With `size` the text is fitted to that many bytes, as for IPv6. Raises ValueError if that is impossible.
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
