"""The checkers must find what is wrong: each broken parser here is one mistake."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from fwhelpers.api import DatagramParser, Done, Event, Helper, LineParser, ParseError, Parser
from fwhelpers.testing import client
from fwhelpers.testing.invariants import check, check_restart, footprint
from fwhelpers.testing.playbook import new_parser


def helper(parser: type[Parser], l4: str = "tcp") -> Helper:
    return Helper("foo", l4, [7777], parser)


class Good(LineParser):
    def line(self, line: bytes, reply: bool) -> Iterator[Event]:
        if line == b"?\n":
            raise ParseError("what?")
        yield Done(line.decode("latin-1"))


class PerPacket(Parser):
    """Takes the packet for a line."""

    def feed(self, data: bytes, reply: bool) -> Iterator[Event]:
        if data.startswith(b"DATA"):
            yield Done()


class Raises(DatagramParser):
    def datagram(self, data: bytes, reply: bool) -> list[Event]:
        return [Done()] if data[5] else []


class Hoards(Parser):
    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self.all: list[bytes] = []

    def feed(self, data: bytes, reply: bool) -> Iterator[Event]:
        self.all.append(data)
        return iter(())


class Forgets(LineParser):
    """Doesn't save what it was told."""

    def __init__(self, *arguments: object) -> None:
        super().__init__(*arguments)  # type: ignore[arg-type]
        self.repeated = False

    def line(self, line: bytes, reply: bool) -> Iterator[Event]:
        if self.repeated:
            yield Done()
        self.repeated = True


class SavesMuch(Good):
    def save(self) -> bytes:
        return bytes(21)


def test_a_good_parser() -> None:
    script = [client(b"a\nb\n"), client(b"?\n"), client(b"c\n")]
    outcome = check(helper(Good), script)
    assert outcome == [Done("a\n"), Done("b\n"), "ParseError"]
    check_restart(helper(Good), script)


def test_packets_taken_for_messages() -> None:
    with pytest.raises(AssertionError, match="cut differently"):
        check(helper(PerPacket), [client(b"DATA")])


def test_datagrams_are_not_cut() -> None:
    check(helper(PerPacket, "udp"), [client(b"DATA")])


def test_another_exception() -> None:
    with pytest.raises(IndexError):
        check(helper(Raises, "udp"), [client(b"abc")])


def test_unbounded_memory() -> None:
    with pytest.raises(AssertionError, match="holds"):
        check(helper(Hoards, "udp"), [client(bytes(300000))])


def test_too_much_state() -> None:
    with pytest.raises(AssertionError, match="21 bytes of state"):
        check(helper(SavesMuch), [client(b"a\n")])


def test_state_that_is_not_saved() -> None:
    with pytest.raises(AssertionError):
        check_restart(helper(Forgets), [client(b"a\n"), client(b"b\n")])


def test_the_footprint_counts_what_is_kept() -> None:
    parser = new_parser(helper(Hoards))
    before = footprint(parser)
    list(parser.feed(bytes(5000), False))
    assert footprint(parser) >= before + 5000
