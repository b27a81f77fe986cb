from __future__ import annotations

from collections.abc import Iterable

import pytest

from fwhelpers.api import (
    Done,
    Endpoint,
    Event,
    Expect,
    Helper,
    LineParser,
    ParseError,
    Setting,
)
from fwhelpers.testing import Playbook, client, rewritten, server
from fwhelpers.testing.playbook import settings_of


class Foo(LineParser):
    """`DATA port`: the client may connect; `BYE`; everything else is wrong."""

    def line(self, line: bytes, reply: bool) -> Iterable[Event]:
        word, _, rest = line.strip().partition(b" ")
        if word == b"BYE":
            yield Done("bye")
        elif word == b"DATA" and reply:
            end = self.flow.server.at(int(rest) + self.settings["plus"])
            yield Expect(self.flow.client, end, span=(5, 5 + len(rest)), encode=port, fit=fit)
        elif word == b"BOTH":
            yield from (Done("a"), Done("b"))
        else:
            raise ParseError("what?")

    def save(self) -> bytes:
        return b"x"


def port(end: Endpoint) -> bytes:
    return b"%d" % end.port


def fit(end: Endpoint, size: int) -> bytes | None:
    return port(end).zfill(size) if len(port(end)) <= size else None


def plus(value: object) -> int:
    if not isinstance(value, int):
        raise ValueError("must be a number")
    return value


FOO = Helper("foo", "tcp", [7777], Foo, settings=[Setting("plus", 0, "added", plus)])


def test_a_play() -> None:
    play = Playbook(FOO)
    assert play >> server(b"DATA 5000\n") << Expect(play.client, play.server.at(5000))
    assert play >> client(b"BY", b"E\n") << Done("bye")


def test_settings_are_checked() -> None:
    play = Playbook(FOO, plus=1)
    assert play >> server(b"DATA 5000\n") << Expect(play.client, play.server.at(5001))
    with pytest.raises(ValueError, match="must be a number"):
        Playbook(FOO, plus="x")
    with pytest.raises(ValueError, match="no setting minus"):
        settings_of(FOO, {"minus": 1})


def test_a_stated_span_counts() -> None:
    play = Playbook(FOO) >> server(b"DATA 5000\n")
    with pytest.raises(AssertionError):
        play << Expect(play.client, play.server.at(5000), span=(1, 2))
    play = Playbook(FOO) >> server(b"DATA 5000\n")
    assert play << Expect(play.client, play.server.at(5000), span=(5, 9))


def test_another_answer() -> None:
    play = Playbook(FOO) >> server(b"DATA 5000\n")
    with pytest.raises(AssertionError, match="answered"):
        play << Expect(play.client, play.server.at(5001))


def test_no_answer() -> None:
    with pytest.raises(AssertionError, match="no answer"):
        Playbook(FOO) >> server(b"DATA") << Done("x")


def test_an_answer_that_is_not_stated() -> None:
    play = Playbook(FOO) >> client(b"BOTH\n") << Done("a")
    with pytest.raises(AssertionError, match="not stated"):
        play >> client(b"BYE\n")
    with pytest.raises(AssertionError, match="not stated"):
        bool(play)


def test_classes_may_be_stated() -> None:
    assert Playbook(FOO) >> client(b"BYE\n") << Done
    assert Playbook(FOO) >> client(b"?\n") << ParseError
    with pytest.raises(AssertionError, match="instead of ParseError"):
        Playbook(FOO) >> client(b"BYE\n") << ParseError


def test_nothing_is_said_after_a_parse_error() -> None:
    play = Playbook(FOO) >> client(b"?\n") << ParseError
    with pytest.raises(AssertionError, match="raised ParseError"):
        play >> client(b"BYE\n")


def test_restart() -> None:
    play = Playbook(FOO) >> server(b"DATA 1\n")
    play << Expect
    assert play.restart() >> server(b"DATA 2\n") << Expect
    with pytest.raises(AssertionError, match="half-read"):
        (play >> client(b"B")).restart()


def test_rewriting() -> None:
    play = Playbook(FOO) >> server(b"DATA 5000\nrest") << Expect
    assert play.rewritten(play.server.at(70), True) == b"DATA 70\nrest"
    assert play.rewritten(play.server.at(70), True, 4) == b"DATA 0070\nrest"
    with pytest.raises(ValueError, match="in 1 bytes"):
        play.rewritten(play.server.at(70), True, 1)


def test_what_cannot_be_rewritten() -> None:
    event = Expect(Endpoint(bytes(4)), Endpoint(bytes(4), 5))
    with pytest.raises(ValueError, match="can't be rewritten"):
        rewritten(event, b"x", Endpoint(bytes(4)))
