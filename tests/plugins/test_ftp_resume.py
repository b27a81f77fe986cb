"""A control connection of FTP that another gateway continues (`resume = true`)."""

from __future__ import annotations

import pytest
from connection import Connection, FakePacket

from fwhelpers.engine.active import Active
from fwhelpers.engine.verdict import Verdict
from fwhelpers.kernel import labels
from fwhelpers.plugin.manager import load

FTP = load().helpers["ftp"]
LOGIN = [(True, b"220 hello\r\n"), (False, b"USER x\r\n"), (True, b"331 password\r\n"),
         (False, b"PASS x\r\n"), (True, b"230 welcome\r\n")]  # fmt: skip
PASSIVE = b"227 Entering Passive Mode (10,0,2,2,78,32)\r\n"
PORT = b"PORT 10,0,1,2,78,32\r\n"


class Gateway(Connection):
    """The connection at one gateway. conntrackd carries the labels, and not the private data."""

    def __init__(self, *, resume: bool = True, of: Gateway | None = None) -> None:
        active = Active(FTP, {"resume": resume})
        super().__init__(FTP, "tcp", "10.0.1.2:40000", "10.0.2.2:21", active=active)
        self.position = bytes(16)
        if of is not None:
            self.position, self.seq, self.info = of.position, list(of.seq), bytes(32)
            self.payloads = list(of.payloads)

    def _labels(self, reply: bool, payload: bool) -> bytes:
        return labels.union(super()._labels(reply, payload), self.position)

    def send(self, packet: FakePacket) -> Verdict:
        verdict = super().send(packet)
        if verdict.labels is not None:
            self.position = verdict.labels
        return verdict

    def talk(self, *lines: tuple[bool, bytes]) -> Gateway:
        for reply, line in lines:
            self.say(line, reply)
        return self

    def pasv(self) -> list[str]:
        self.talk((False, b"PASV\r\n"), (True, PASSIVE))
        return self.expected


def logged_in() -> Gateway:
    return Gateway().talk(*LOGIN)


def test_the_next_pasv_passes_the_other_gateway() -> None:
    assert Gateway(of=logged_in()).pasv() == ["10.0.1.2 > 10.0.2.2:20000"]


def test_the_next_port_passes_the_other_gateway() -> None:
    other = Gateway(of=logged_in())
    other.c(PORT)
    assert other.expected == ["10.0.2.2 > 10.0.1.2:20000"]


def test_after_a_transfer() -> None:
    first = logged_in()
    first.pasv()
    first.talk((False, b"RETR x\r\n"), (True, b"150 here\r\n"), (True, b"226 done\r\n"))
    assert len(Gateway(of=first).pasv()) == 1


def test_and_back_again() -> None:
    second = Gateway(of=logged_in())
    second.pasv()
    second.talk((False, b"RETR x\r\n"), (True, b"150 here\r\n"), (True, b"226 done\r\n"))
    assert len(Gateway(of=second).pasv()) == 1


def test_only_by_setting() -> None:
    first = Gateway(resume=False).talk(*LOGIN)
    assert first.position == bytes(16)
    assert Gateway(of=first).pasv() == []
    assert Gateway(resume=False, of=logged_in()).pasv() == []


@pytest.mark.parametrize(
    "later",
    [
        [(False, b"NOOP\r\n")],
        [(False, b"PASV\r\n")],
        [(False, b"NO")],
        [(False, b"STAT\r\n"), (True, b"211-status\r\n")],
        [(False, b"NOOP\r\n"), (True, b"200 o")],
        [(False, b"EPSV ALL\r\n"), (True, b"200 ok\r\n")],
        [(False, b"AUTH TLS\r\n"), (True, b"234 go\r\n")],
        [(False, b"POST / HTTP/1.1\r\n"), (True, b"\0\0\r\n")],
    ],
)
def test_not_in_the_middle_of_anything(later: list[tuple[bool, bytes]]) -> None:
    """G3 and G4: a reply is outstanding, a line has begun, or a rule holds that the other gateway cannot know."""
    first = logged_in().talk(*later)
    assert labels.positions(first.position) is None
    assert Gateway(of=first).pasv() == []


@pytest.mark.parametrize("reply", [False, True])
@pytest.mark.parametrize("distance", [-1, 1, 6, 4096])
def test_not_at_another_position(reply: bool, distance: int) -> None:
    """The replication was late, or the rest of a line waited in the sender for the failover."""
    other = Gateway(of=logged_in())
    other.seq[reply] = (other.seq[reply] + distance) % 2**32
    assert other.pasv() == []


def test_the_rest_of_a_line_is_no_line() -> None:
    """A client that holds its window closed makes a server's echo begin at a segment's first byte."""
    first = logged_in()
    stored = first.position
    first.talk((False, b"HELP 227 (10,0,2,2,31,144)\r\n"), (True, b"500 unknown: HELP "))
    first.position = stored  # the later labels did not arrive
    other = Gateway(of=first)
    other.talk((False, b"PASV\r\n"), (True, b"227 (10,0,2,2,31,144)\r\n"))
    assert other.expected == []


def test_a_flow_that_was_given_up_is_not_continued() -> None:
    first = logged_in()
    assert labels.positions(first.position) is not None
    first.talk((True, b"\xff\xff not a reply\r\n"), (False, b"\x16\x03\x01 tls\r\n"))
    assert labels.positions(first.position) is None
