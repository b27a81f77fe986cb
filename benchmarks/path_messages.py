"""The usual messages of each helper, from the plugins' own tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import amanda_messages
import dcerpc_messages
import gena_messages
import rpc_messages
import rtsp_messages
import sane_messages
import sip_messages
import tns_messages

Message = tuple[bytes, bool]  #: data, and whether the server sends it
Script = Callable[[str], Iterator[Message]]

_LOGIN = (
    (b"220 ready\r\n", True),
    (b"USER anonymous\r\n", False),
    (b"331 password\r\n", True),
    (b"PASS guest@example.org\r\n", False),
    (b"230 logged in\r\n", True),
)
_SEARCH = (
    b'M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: "ssdp:discover"\r\n'
    b"MX: 1\r\nST: upnp:rootdevice\r\n\r\n"
)
TRANSFERS = 4
CALLS = 4
SERVER = "10.0.2.2"


@dataclass(frozen=True)
class Conversation:
    """What a client and its server say, and how many expectations it makes."""

    helper: str
    l4: str
    port: int
    script: Script  #: takes the client's address
    expectations: int
    server: str = SERVER
    handshake: bool = False  #: the SYN is queued
    masquerade: bool = False


def _rpc(answers: list[int]) -> Script:
    def script(client: str) -> Iterator[Message]:
        for xid, port in enumerate(answers, start=1):
            yield rpc_messages.getport(xid), False
            yield rpc_messages.reply(xid, rpc_messages.port(port)), True

    return script


def _ftp(client: str) -> Iterator[Message]:
    yield from _LOGIN
    for number in range(TRANSFERS):
        yield b"CWD /pub/dir%d\r\n" % number, False
        yield b"250 directory changed\r\n", True
        yield b"PASV\r\n", False
        yield b"227 Entering Passive Mode (10,0,2,2,100,%d).\r\n" % number, True
        yield b"RETR file%d\r\n" % number, False
        yield b"150 opening\r\n", True
        yield b"226 complete\r\n", True


def _ftp_active(client: str) -> Iterator[Message]:
    yield from _LOGIN
    host = client.replace(".", ",").encode()
    for number in range(TRANSFERS):
        yield b"PORT %s,100,%d\r\n" % (host, number), False
        yield b"200 ok\r\n", True
        yield b"RETR file%d\r\n" % number, False
        yield b"226 complete\r\n", True


def _tftp(client: str) -> Iterator[Message]:
    yield b"\0\1boot/file\0octet\0", False


def _tns(client: str) -> Iterator[Message]:
    yield tns_messages.connect(), False
    yield tns_messages.redirect(tns_messages.address()), True


def _sane(client: str) -> Iterator[Message]:
    for question, answer in (
        *sane_messages.SESSION,
        (sane_messages.START, sane_messages.started()),
    ):
        yield question, False
        yield answer, True


def _amanda(client: str) -> Iterator[Message]:
    yield amanda_messages.req(), False
    yield amanda_messages.ack(), True
    yield amanda_messages.rep(), True
    yield amanda_messages.ack(), False


def _gena(client: str) -> Iterator[Message]:
    yield gena_messages.subscribe(b"<http://%s:49200/>" % client.encode()), False
    yield gena_messages.accepted(), True


def _ssdp(client: str) -> Iterator[Message]:
    yield _SEARCH, False


def _sip(client: str) -> Iterator[Message]:
    via = f"SIP/2.0/UDP {client}:5060;rport;branch=z9hG4bK-1"
    for number in range(CALLS):
        fields = {"call": f"call-{number}@{client}", "via": via}
        offer = sip_messages.audio(client, 4000 + 4 * number)
        answer = sip_messages.audio(SERVER, 6000 + 4 * number)
        yield sip_messages.invite(offer, **fields), False
        yield sip_messages.response(180, "INVITE", **fields), True
        yield sip_messages.ok(answer, **fields), True
        yield sip_messages.request("ACK", **fields), False
        yield sip_messages.request("BYE", cseq=2, **fields), False
        yield sip_messages.ok("", "BYE", cseq=2, **fields), True


def _rtsp(client: str) -> Iterator[Message]:
    transport = "RTP/AVP;unicast;client_port=5000-5001"
    request, response = rtsp_messages.request, rtsp_messages.response
    yield request("OPTIONS", 1), False
    yield response(200, 1), True
    yield request("SETUP", 2, transport), False
    yield response(200, 2, f"{transport};server_port=6970-6971", "s1"), True
    yield request("PLAY", 3, session="s1"), False
    yield response(200, 3, session="s1"), True
    yield request("TEARDOWN", 4, session="s1"), False
    yield response(200, 4), True


def _dcerpc(client: str) -> Iterator[Message]:
    syntax = dcerpc_messages.NDR32
    yield dcerpc_messages.bind([(0, dcerpc_messages.EPM, syntax)]), False
    yield dcerpc_messages.bind_ack([(0, syntax)]), True
    yield dcerpc_messages.request(3), False
    yield dcerpc_messages.response(dcerpc_messages.mapped(dcerpc_messages.tower())), True


CONVERSATIONS = {
    "rpc": Conversation("rpc", "udp", 111, _rpc([20048] * 8), 1),
    "rpc-ports": Conversation("rpc", "udp", 111, _rpc(list(range(20048, 20056))), 8),
    "ftp": Conversation("ftp", "tcp", 21, _ftp, TRANSFERS, handshake=True),
    "ftp-nat": Conversation(
        "ftp", "tcp", 21, _ftp_active, TRANSFERS, handshake=True, masquerade=True
    ),
    "tftp": Conversation("tftp", "udp", 69, _tftp, 1),
    "tns": Conversation("tns", "tcp", 1521, _tns, 1),
    "sane": Conversation("sane", "tcp", 6566, _sane, 1),
    "amanda": Conversation("amanda", "udp", 10080, _amanda, 4),
    # the expectation is renewed when the server has stated a lifetime
    "gena": Conversation("gena", "tcp", 49152, _gena, 2, handshake=True),
    "ssdp": Conversation("ssdp", "udp", 1900, _ssdp, 1, server="239.255.255.250"),
    # RTP and RTCP of both ends; the two that go with the verdict of the first INVITE are written again at its answer
    "sip": Conversation("sip", "udp", 5060, _sip, 4 * CALLS + 2),
    "rtsp": Conversation("rtsp", "tcp", 554, _rtsp, 4, handshake=True),
    "dcerpc": Conversation("dcerpc", "tcp", 135, _dcerpc, 1),
}
