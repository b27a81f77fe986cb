"""What conntrackd's ftp helper gets wrong (1.4.7 and later, src/helpers/ftp.c), done right: through the real engine."""

from __future__ import annotations

import pytest
from connection import Connection, payload_of
from fwhelpers_plugins.ftp import fwhelpers_helpers

from fwhelpers.engine.guard import Limits
from fwhelpers.engine.inspector import Active
from fwhelpers.testing.playbook import settings_of

(FTP,) = fwhelpers_helpers()
SETTINGS = settings_of(FTP, {})

V4 = ("10.0.1.2:40000", "10.0.2.2:21")
V6 = ("[fd01::2]:40000", "[fd02::2]:21")


def logged_in(ends: tuple[str, str] = V4, **addresses: str) -> Connection:
    active = Active(FTP, SETTINGS)
    connection = Connection(FTP, "tcp", *ends, active=active, **addresses)  # type: ignore[arg-type]
    connection.s(b"220 ready\r\n")
    connection.c(b"USER a\r\n")
    connection.s(b"230 in\r\n")
    return connection


@pytest.mark.parametrize("ends", [V4, V6], ids=["v4", "v6"])
def test_epsv_works(ends: tuple[str, str]) -> None:
    # its 229 names no address, which "differs" from the client's: never expected
    c = logged_in(ends)
    c.c(b"EPSV\r\n")
    c.s(b"229 Extended (|||50000|)\r\n")
    host = ends[1].removesuffix(":21")
    assert c.expected == [f"{c.client.host} > {host}:50000"]


def test_eprt_works_for_ipv6() -> None:
    # its parsers are told PF_INET always
    c = logged_in(V6)
    c.c(b"EPRT |2|fd01::2|50000|\r\n")
    assert c.expected == ["fd02::2 > [fd01::2]:50000"]


@pytest.mark.parametrize("line", [b"port 10,0,1,2,200,1\r\n", b"eprt |1|10.0.1.2|51201|\r\n"])
def test_commands_in_lower_case(line: bytes) -> None:
    c = logged_in()
    c.c(line)
    assert c.expected == ["10.0.2.2 > 10.0.1.2:51201"]


def test_227_without_parentheses() -> None:
    c = logged_in()
    c.c(b"PASV\r\n")
    c.s(b"227 Entering Passive Mode 10,0,2,2,200,1\r\n")
    assert c.expected == ["10.0.1.2 > 10.0.2.2:51201"]


def test_a_command_split_over_segments() -> None:
    line = b"PORT 10,0,1,2,200,1\r\n"
    for cut in range(1, len(line)):
        c = logged_in()
        c.c(line[:cut])
        c.c(line[cut:])
        assert c.expected == ["10.0.2.2 > 10.0.1.2:51201"], cut


def test_two_commands_in_a_segment() -> None:
    c = logged_in()
    c.c(b"TYPE I\r\nPORT 10,0,1,2,200,1\r\nNOOP\r\nPORT 10,0,1,2,200,2\r\n")
    assert c.expected == ["10.0.2.2 > 10.0.1.2:51201", "10.0.2.2 > 10.0.1.2:51202"]


@pytest.mark.parametrize("six", [b"10,0,2,2,373,53", b"10,0,2,2,4,256", b"266,0,2,2,200,1"])
def test_octets_are_checked(six: bytes) -> None:
    # (10,0,2,2,373,53) gave port 30005
    c = logged_in()
    c.c(b"PASV\r\n")
    c.s(b"227 ok (" + six + b")\r\n")
    assert (c.expected, c.refused) == ([], ["G11"])


@pytest.mark.parametrize("port", [0, 22, 1023])
def test_privileged_ports_are_refused(port: int) -> None:
    c = logged_in()
    c.c(b"EPRT |1|10.0.1.2|%d|\r\n" % port)
    assert (c.expected, c.refused) == ([], ["G6"])


@pytest.mark.parametrize("line", [b"PORT 10,0,1,9,200,1\r\n", b"EPRT |1|10.0.1.9|51201|\r\n"])
def test_bounce_is_refused_and_loose_is_an_option(line: bytes) -> None:
    c = logged_in()
    c.c(line)
    assert (c.expected, c.refused) == ([], ["G5"])
    loose = Active(FTP, SETTINGS, Limits(address="announced"))
    c = Connection(FTP, "tcp", *V4, active=loose)
    c.s(b"220 ready\r\n")
    c.c(b"USER a\r\n")
    c.c(line)
    assert c.expected == ["10.0.2.2 > 10.0.1.9:51201"]


def test_replies_are_not_taken_without_their_command() -> None:
    c = logged_in()
    c.s(b"227 ok (10,0,2,2,200,1)\r\n")
    assert (c.expected, c.refused) == ([], ["G4"])


def test_several_data_connections_one_after_the_other() -> None:
    c = logged_in()
    for port in (50000, 50001, 50002):
        c.c(b"EPSV\r\n")
        c.s(b"229 (|||%d|)\r\n" % port)
    assert [e.rpartition(":")[2] for e in c.expected] == ["50000", "50001", "50002"]


def test_encrypted_bytes_open_nothing() -> None:
    c = logged_in()
    c.c(b"AUTH TLS\r\n")
    c.s(b"234 go\r\n")
    c.c(b"\x17\x03\x03\x00\x14PORT 10,0,1,2,4,1\r\n\0\x17\x03\x03\0\1x")
    assert (c.expected, c.refused) == ([], [])


def test_nat_expectations_carry_what_nat_needs() -> None:
    # its expectations lack CTA_EXPECT_NAT and CTA_EXPECT_FN
    c = logged_in(seen_client="192.0.2.9:40000")
    verdict = c.c(b"PORT 10,0,1,2,200,1\r\n")
    assert payload_of(verdict) == b"PORT 192,0,2,9,200,1\r\n"
    (expectation,) = c.maker.created
    assert expectation.fn == "nat-follow-master"
    assert expectation.nat is not None
    assert expectation.nat.src == bytes([10, 0, 1, 2])
    assert c.expected == ["10.0.2.2 > 192.0.2.9:51201"]


def test_dnat_replaces_the_address_in_a_227() -> None:
    c = logged_in(seen_server="192.0.2.8:21")
    c.c(b"PASV\r\n")
    verdict = c.s(b"227 ok (10,0,2,2,200,1)\r\n")
    assert payload_of(verdict) == b"227 ok(192,0,2,8,200,1)\r\n"
    assert c.expected == ["10.0.1.2 > 192.0.2.8:51201"]


def test_two_clients_behind_nat_with_the_same_port() -> None:
    # its retry loop never runs: the second client's data went to the first
    c = logged_in(seen_client="192.0.2.9:40000")
    c.maker.errors = lambda e: 17 if e.tuple.dport == 51201 else 0
    verdict = c.c(b"PORT 10,0,1,2,200,1\r\n")
    assert payload_of(verdict) == b"PORT 192,0,2,9,200,2\r\n"
    assert c.expected == ["10.0.2.2 > 192.0.2.9:51202"]


def test_nat_of_ipv6_keeps_the_length() -> None:
    # it builds the NAT attributes as for IPv4
    c = logged_in(V6, seen_client="[fd9::1]:40000")
    verdict = c.c(b"EPRT |2|fd01::2|51201|\r\n")
    assert payload_of(verdict, 60) == b"EPRT |2|0fd9::1|51201|\r\n"
    assert c.expected == ["fd02::2 > [fd9::1]:51201"]


def test_state_outlives_the_worker() -> None:
    first = logged_in()
    first.c(b"PASV\r\n")
    second = Connection(FTP, "tcp", *V4, active=Active(FTP, SETTINGS))
    second.info, second.seq, second.payloads = first.info, first.seq, first.payloads
    second.s(b"227 ok (10,0,2,2,200,1)\r\n")
    assert second.expected == ["10.0.1.2 > 10.0.2.2:51201"]


def test_an_empty_segment_does_no_harm() -> None:
    # it reads the byte before an empty payload
    c = logged_in()
    assert c.c(b"").plain
    c.c(b"PORT 10,0,1,2,200,1\r\n")
    assert c.expected == ["10.0.2.2 > 10.0.1.2:51201"]


def test_no_private_data_does_no_harm() -> None:
    # a packet without the helper's private data kills the daemon
    c = logged_in()
    packet = c.packet(b"NOOP\r\n", False)
    packet.info = b""
    assert c.send(packet).accept


@pytest.mark.parametrize("line", [b"ABOR\r\n", b"\xff\xf4\xff\xf2ABOR\r\n"])
def test_urgent_data_does_not_end_the_inspection(line: bytes) -> None:
    # Python's ftplib sends ABOR as urgent data without Telnet's marks
    c = logged_in()
    c.send(c.packet(line, False, flags=0x38))
    c.seq[0] += len(line)
    c.s(b"226 aborted\r\n")
    c.c(b"PASV\r\n")
    c.s(b"227 ok (10,0,2,2,200,1)\r\n")
    assert c.expected == ["10.0.1.2 > 10.0.2.2:51201"]
