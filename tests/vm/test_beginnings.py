"""Attacks on the beginning of a stream, segment by segment, through the real daemon (docs/safety.md)."""

from __future__ import annotations

import sys

import pytest
from lab import PROGRAMS, clients, servers
from lab.process import Process, wait_until
from lab.topology import OUTER, Lab

FIN, SYN, RST, PSH, ACK = 1, 2, 4, 8, 16
CONFIG = (
    "[daemon]\nworkers = 1\n[helpers.ftp]\n"  # one queue, so that packets are inspected in order
)
QUIET = """
table inet quiet {
    chain output {
        type filter hook output priority 0;
        meta mark != 1 tcp sport 61000-61099 drop
        meta mark != 1 tcp dport 61000-61099 drop
    }
}
"""
HEAD = b"POST / HTTP/1.1\r\nContent-Length: 99\r\n\r\n"
PORT = b"PORT 10,0,1,2,78,32\r\n"


class Forged:
    """Both ends of a connection to port 21, none of which exists: every segment is made by the test."""

    def __init__(self, lab: Lab, sport: int) -> None:
        self.lab = lab
        self.sport = sport
        self.start = {"c": 1000, "s": 5000}
        self.seq = {"c": 1000, "s": 5000}

    def send(self, end: str, flags: int, data: bytes = b"", seq: int | None = None) -> None:
        client = "10.0.1.2" if end == "c" else OUTER[4] if self.lab.nat == "snat" else "10.0.1.2"
        ends = [client, str(self.sport)], ["10.0.2.2", "21"]
        (src, sport), (dst, dport) = ends if end == "c" else reversed(ends)
        other = "s" if end == "c" else "c"
        at = self.seq[end] if seq is None else seq
        program = str(PROGRAMS / "segment.py")
        self.lab.run(
            end, sys.executable, program, src, sport, dst, dport, str(flags), str(at),
            str(self.seq[other]), data.hex(),
        )  # fmt: skip
        if seq is None:
            self.seq[end] += len(data) + bool(flags & SYN)

    def data(self, end: str, data: bytes, seq: int | None = None) -> None:
        self.send(end, PSH | ACK, data, seq)

    def handshake(self) -> None:
        self.send("c", SYN)
        self.send("s", SYN | ACK)
        self.send("c", ACK)
        assert "ESTABLISHED" in entry(self.lab, self.sport), "the gateway has not seen a handshake"
        self.data("s", b"220 hello\r\n")


@pytest.fixture(params=["none", "snat"])
def gateway(request: pytest.FixtureRequest) -> object:
    with Lab(nat=request.param) as lab:
        servers.start_ftp(lab)
        # their kernels have no such connection: the client's would reset it, the server's would accept another
        for name in ("c", "s"):
            lab.nft(QUIET, ns=name)
        yield lab, lab.start_fwhelpers(CONFIG)


def opened(lab: Lab) -> str:
    return lab.run("g", "conntrack", "-L", "expect").stdout


def inspected(lab: Lab, daemon: Process) -> None:
    """Wait until the worker has inspected all that was sent: an honest client comes behind it."""
    assert clients.download(lab, "PASV", 4).stdout == "served by ftp\n"
    assert not [line for line in daemon.lines if "20000" in line and "expecting" in line]
    assert "dport=20000" not in opened(lab)


def entry(lab: Lab, sport: int) -> str:
    """The line of the conntrack entry; empty if there is none."""
    lines = lab.run("g", "conntrack", "-L", "-p", "tcp").stdout.splitlines()
    return next((line for line in lines if f"sport={sport} " in line), "")


def test_a_connection_whose_entry_expired_is_not_taken_for_a_new_one(
    gateway: tuple[Lab, Process],
) -> None:
    lab, daemon = gateway
    lab.run("g", "sysctl", "-qw", "net.netfilter.nf_conntrack_tcp_timeout_close=1")
    forged = Forged(lab, 61001)
    forged.handshake()
    forged.data("c", HEAD)
    forged.send("s", RST | ACK)  # which the client never receives
    wait_until(lambda: not entry(lab, 61001), "the end of the conntrack entry")
    forged.data("c", b"USER x\r\n")
    wait_until(lambda: entry(lab, 61001), "another entry for the same connection")
    forged.data("s", b"220 hello\r\n")
    forged.data("c", PORT)
    inspected(lab, daemon)


@pytest.mark.parametrize("late", [True, False])
def test_a_first_segment_that_is_late_or_lost_opens_nothing(
    gateway: tuple[Lab, Process], late: bool
) -> None:
    lab, daemon = gateway
    forged = Forged(lab, 61002)
    forged.handshake()
    start = forged.seq["c"]
    forged.seq["c"] += len(HEAD)
    forged.data("c", b"USER x\r\n" + PORT)
    if late:
        forged.data("c", HEAD, seq=start)
        forged.data("c", PORT)
    inspected(lab, daemon)


def test_a_forged_syn_within_a_connection_changes_nothing(gateway: tuple[Lab, Process]) -> None:
    lab, daemon = gateway
    forged = Forged(lab, 61003)
    forged.handshake()
    forged.data("c", b"USER x\r\nSTOR ")
    for payload in (b"", PORT):
        forged.send("c", SYN, payload, seq=forged.seq["c"] - 1)
        forged.send("c", SYN, payload, seq=777777)
    forged.data("c", PORT)  # a file's name
    inspected(lab, daemon)
    forged.data("c", b"PORT 10,0,1,2,78,33\r\n")
    wait_until(lambda: "dport=20001" in opened(lab), "the expectation of the honest announcement")
