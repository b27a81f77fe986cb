"""A stream is read from its true beginning or not at all (attacks on rule G2)."""

from __future__ import annotations

import dataclasses

import pytest
from connection import Connection
from invented import TALK, C, S, tcp

from fwhelpers.api import Helper
from fwhelpers.engine.flow_state import handshake_info
from fwhelpers.engine.stream import HalfStream, StreamError
from fwhelpers.kernel import labels
from fwhelpers.plugin.manager import load

SYN, SYN_ACK = 0x02, 0x12
FTP, GENA = load().helpers["ftp"], load().helpers["gena"]
POST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 30\r\n\r\n"
ANNOUNCEMENTS = {
    "ftp": b"USER x\r\nPORT 10,0,1,2,78,32\r\n",
    "gena": b"SUBSCRIBE /e HTTP/1.1\r\nHOST: 10.0.2.2:1400\r\nCALLBACK: <http://10.0.1.2:20000/>\r\n"
    b"NT: upnp:event\r\nTIMEOUT: Second-300\r\n\r\n",
}
ENDS = {
    "plain": {},
    "nat": {"seen_client": "192.0.2.9:1024"},
}


def connection(helper: Helper, nat: str = "plain") -> Connection:
    server = f"10.0.2.2:{helper.ports[0]}"
    return Connection(helper, "tcp", C, server, **ENDS[nat])  # type: ignore[arg-type]


def greet(c: Connection) -> None:
    if c.helper is FTP:
        c.s(b"220 hello\r\n")


@pytest.mark.parametrize("nat", ENDS)
@pytest.mark.parametrize("helper", [FTP, GENA], ids=lambda h: h.name)
def test_a_client_is_read_from_the_byte_after_its_syn(helper: Helper, nat: str) -> None:
    c = connection(helper, nat)
    c.info = bytes(32)
    c.extra = {"status": 0x2000}  # not confirmed yet
    verdict = c.send(c.packet(b"", False, seq=c.seq[0] - 1, flags=SYN))
    assert verdict.info == handshake_info(c.seq[0])
    assert len(c.inspector) == 0  # a flood of SYNs takes no memory
    c.extra, c.payloads = {}, [0, 0]
    greet(c)
    c.c(ANNOUNCEMENTS[helper.name])
    assert len(c.expected) == 1


@pytest.mark.parametrize("nat", ENDS)
@pytest.mark.parametrize("helper", [FTP, GENA], ids=lambda h: h.name)
@pytest.mark.parametrize("later", ["never", "later", "acknowledged first"])
def test_a_body_is_no_beginning_when_its_head_is_lost_or_late(
    helper: Helper, nat: str, later: str
) -> None:
    c = connection(helper, nat)
    start = c.seq[0]
    greet(c)
    c.seq[0] += len(POST)
    c.c(ANNOUNCEMENTS[helper.name])
    if later != "never":
        c.send(c.packet(POST, False, seq=start))
        c.c(ANNOUNCEMENTS[helper.name])
    assert c.expected == []


@pytest.mark.parametrize("helper", [FTP, GENA], ids=lambda h: h.name)
def test_nothing_opens_if_the_syn_of_an_announcing_client_was_not_queued(helper: Helper) -> None:
    c = connection(helper)
    c.info = bytes(32)
    greet(c)
    c.c(ANNOUNCEMENTS[helper.name])
    assert c.expected == []
    assert "SYN is not known" in c.notes[-1].reason


def test_nothing_opens_if_the_connection_did_not_begin_with_a_syn() -> None:
    c = tcp()
    packet = c.packet(b"OPEN 3000\r\n", True)
    packet.labels = labels.bits(labels.REPLY_SEEN)
    assert c.send(packet).done
    assert c.expected == []


def test_pickup_reads_a_connection_that_began_before() -> None:
    from fwhelpers.engine.inspector import Active

    c = Connection(FTP, "tcp", C, "10.0.2.2:21", active=Active(FTP, {"pickup": True}))
    c.info = bytes(32)
    packet = c.packet(b"PORT 10,0,1,2,78,32\r\n", False)
    packet.labels = labels.bits(labels.ORIG_SEEN)
    c.send(packet)
    assert len(c.expected) == 1


def test_a_late_first_segment_ends_the_flow_and_its_expectations() -> None:
    c = tcp()
    start = c.seq[1]
    c.seq[1] = (start + len(POST)) % 2**32
    c.s(b"OPEN 3000\r\n")
    assert len(c.expected) == 1
    c.send(c.packet(POST, True, seq=start))
    assert [t.dport for t in c.maker.deleted] == [3000]
    c.s(b"OPEN 3001\r\n")
    assert len(c.expected) == 1


def test_announcements_of_clients_count_only_if_the_helper_declares_them() -> None:
    """Without the declaration the client's stream begins at the first segment to arrive."""
    trusting = dataclasses.replace(TALK, client_announces=False)
    c = Connection(trusting, "tcp", C, S)
    c.c(POST + b"OPEN 3000\r\n")
    c.s(b"OPEN 3001\r\n")
    assert c.expected == ["10.0.1.2 > 10.0.2.2:3001"]
    assert c.refused == ["G2"]
    assert "client_announces" in c.notes[0].reason


def test_expected_connections_have_no_beginning_that_could_be_stored() -> None:
    child = Connection(dataclasses.replace(TALK, client_announces=False), "tcp", C, S)
    child.extra = {"status": 8 | 0x2000 | 1}
    child.c(b"OPEN 3000\r\n")
    assert child.expected == ["10.0.2.2 > 10.0.1.2:3000"]


def test_a_child_whose_client_announces_begins_at_its_first_payload() -> None:
    child = Connection(TALK, "tcp", C, S)
    child.info, child.extra = bytes(32), {"status": 8 | 0x2000 | 1}
    child.c(b"OPEN 3000\r\n")
    assert child.expected == ["10.0.2.2 > 10.0.1.2:3000"]
    ordinary = Connection(TALK, "tcp", C, S)
    ordinary.info = bytes(32)
    ordinary.c(b"OPEN 3000\r\n")
    assert ordinary.expected == []


@pytest.mark.parametrize("payload", [b"", b"x", b"OPEN 3999\r\n"])
@pytest.mark.parametrize("shift", [-500, 0, 1, 5000, 2**31])
def test_a_forged_syn_within_a_connection_changes_nothing(payload: bytes, shift: int) -> None:
    c = tcp()
    c.c(b"OPEN 3000\r\nSTOR OPEN ")
    c.send(c.packet(payload, False, seq=(c.seq[0] + shift) % 2**32, flags=SYN))
    c.payloads[0] = 5
    c.c(b"3001\r\nOPEN 3002\r\n")
    assert [e.tuple.dport for e in c.maker.created] == [3000, 3002]
    assert {note.kind for note in c.notes} == {"expected"}


def test_a_forged_syn_before_the_first_payload_begins_no_stream() -> None:
    c = tcp()
    c.send(c.packet(b"", False, seq=c.seq[0] + len(POST) - 1, flags=SYN))
    c.payloads[0] = 0
    c.c(POST)
    c.c(b"OPEN 3000\r\n")
    assert [e.tuple.dport for e in c.maker.created] == [3000]  # read from the first byte of POST on


def test_payload_of_a_first_syn_is_not_parsed() -> None:
    c = tcp()
    c.extra = {"status": 0x2000}
    verdict = c.send(c.packet(b"OPEN 3000\r\n", False, seq=999, flags=SYN))
    assert verdict.info == handshake_info(1000)
    assert c.expected == []


def test_steering_by_the_kernels_helper_hook_reads_both_handshakes() -> None:
    c = tcp()
    c.extra = {"status": 0x2000}
    c.send(c.packet(b"", False, seq=c.seq[0] - 1, flags=SYN))
    c.extra = {}
    c.send(c.packet(b"", True, seq=c.seq[1] - 1, flags=SYN_ACK))
    c.payloads = [5, 5]
    c.s(b"OPEN 3001\r\n")
    c.c(b"OPEN 3000\r\n")
    assert [e.tuple.dport for e in c.maker.created] == [3001, 3000]


def test_port_before_the_greeting_is_refused() -> None:
    c = connection(FTP)
    c.c(b"USER x\r\nPORT 10,0,1,2,78,32\r\n")
    assert c.expected == []
    assert c.refused == ["G4"]


def test_one_differing_byte_is_a_contradiction() -> None:
    half = HalfStream(1000, begins=True)
    half.feed(1000, b"abc")
    with pytest.raises(StreamError, match="different"):
        half.feed(1002, b"X")


@pytest.mark.parametrize("at", [0, 1, 4000, 8900])
def test_all_of_a_jumbo_segment_is_compared(at: int) -> None:
    half = HalfStream(1000, begins=True)
    data = bytes(range(250)) * 36
    half.feed(1000, data)
    half.feed(1000, data)
    with pytest.raises(StreamError, match="different"):
        half.feed(1000, data[:at] + b"\xff" + data[at + 1 :] + b"more")


def test_an_overlap_that_can_not_be_compared_is_a_contradiction() -> None:
    half = HalfStream(1000, begins=True)
    half.feed(1000, bytes(40000))
    with pytest.raises(StreamError, match="not kept"):
        half.feed(1000, bytes(40001))


def test_a_keep_alive_before_the_first_payload_is_ignored() -> None:
    half = HalfStream(1000, begins=True)
    assert half.feed(999, b"x") == b""
    assert half.feed(1000, b"abc") == b"abc"
    with pytest.raises(StreamError, match="before the beginning"):
        half.feed(998, b"xyz")


def test_talk_announces_from_both_ends() -> None:
    c = Connection(TALK, "tcp", C, S)
    c.s(b"OPEN 3000\r\n")
    assert len(c.expected) == 1


@pytest.mark.parametrize(("client", "server"), [(0, 0), (1000, 2**32 - 1), (0x12345678, 0xFFFF)])
def test_labels_have_the_low_bits_of_both_positions(client: int, server: int) -> None:
    field = labels.position_field(client, server)
    assert labels.positions(field) == (client & 0xFFFF, server & 0xFFFF)
    own = labels.bits(labels.DONE, labels.BEGAN, labels.OUTLIVED, *range(87))
    assert labels.positions(labels.union(field, own)) == (client & 0xFFFF, server & 0xFFFF)
    outside = int.from_bytes(labels.POSITION_MASK, "little")
    assert not int.from_bytes(field, "little") & ~outside
    assert not int.from_bytes(own, "little") & outside


def test_no_position_without_its_label() -> None:
    assert labels.positions(labels.bits(labels.BEGAN)) is None
    assert labels.positions(b"") is None
