"""The work of each parser grows linearly with its input, and what it buffers is bounded.

Function calls are counted, those of C functions included: time depends on the machine.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from itertools import pairwise
from types import FrameType

import pytest
from dcerpc_messages import DCERPC, bind, bind_ack, listed, mapped, tower
from dcerpc_messages import inquiry as dcerpc_inquiry
from dcerpc_messages import request as dcerpc_request
from dcerpc_messages import response as dcerpc_response
from ftp_messages import FTP
from fwhelpers_plugins.amanda import fwhelpers_helpers as amanda_helpers
from fwhelpers_plugins.irc import MAX_LINE as IRC_LINE
from fwhelpers_plugins.rpc import fwhelpers_helpers as rpc_helpers
from fwhelpers_plugins.rtsp import fwhelpers_helpers as rtsp_helpers
from fwhelpers_plugins.sane import fwhelpers_helpers as sane_helpers
from fwhelpers_plugins.tftp import fwhelpers_helpers as tftp_helpers
from fwhelpers_plugins.tns import fwhelpers_helpers as tns_helpers
from h323_messages import H323, channel, facility, fast, open_channel, rrq, setup, tpkt, tunnel
from h323_messages import connect as h323_connect
from irc_messages import IRC, LOGIN, accept, send
from mgcp_messages import CALL as MGCP_CALL
from mgcp_messages import MGCP, crcx, created, sdp
from nfs4_messages import NFS4, set_client_id
from rpc_messages import call, entries, getport, list_entry, record, reply
from rtsp_messages import frame as rtsp_frame
from rtsp_messages import request as rtsp_request
from sane_messages import INIT, word
from sccp_messages import CALL as SCCP_CALL
from sccp_messages import SCCP, ack, opened
from sccp_messages import message as sccp_message
from sip_messages import ANSWER, OFFER, SIP, invite, ok
from sip_messages import request as sip_request
from tns_messages import DATA, REDIRECT, address, connect, packet
from vxi11_messages import create_interrupts, create_link, linked, written
from xdmcp_messages import XDMCP
from xdmcp_messages import accept as xdmcp_accept
from xdmcp_messages import alive as xdmcp_alive
from xdmcp_messages import request as xdmcp_request

from fwhelpers.api import Helper, ParseError
from fwhelpers.testing.playbook import SERVER, Message, client, flow_of, new_parser, server

(AMANDA,), (RPC,), (SANE,) = amanda_helpers(), rpc_helpers(), sane_helpers()
(TFTP,), (TNS,), (RTSP,) = tftp_helpers(), tns_helpers(), rtsp_helpers()

FTP_LOGIN = [server(b"220 hi\r\n"), client(b"USER a\r\n"), server(b"230 in\r\n")]
FTP_TLS = [*FTP_LOGIN, client(b"AUTH TLS\r\n"), server(b"234 go\r\n")]
TNS_CONNECT = [client(connect())]
DCERPC_BIND = [client(bind()), server(bind_ack())]
DCERPC_MAP = [client(dcerpc_request(3)), server(dcerpc_response(mapped(tower())))]
DCERPC_LIST = dcerpc_response(listed(*[tower(transport=15)] * 100), parts=9)
MEDIA = SERVER[4].at(6000)
PROPOSALS = fast(*[channel(1, MEDIA, MEDIA.at(6001))] * 40)

#: helper, transport, beginning, repeated lines
CASES: dict[str, tuple[Helper, str, list[Message], list[Message]]] = {
    "dcerpc answers": (DCERPC, "tcp", DCERPC_BIND, DCERPC_MAP),
    "dcerpc lists": (DCERPC, "tcp", DCERPC_BIND, [client(dcerpc_request(2, dcerpc_inquiry(1))), server(DCERPC_LIST)]),
    "dcerpc binds": (DCERPC, "tcp", [], DCERPC_BIND),
    "dcerpc calls": (DCERPC, "tcp", DCERPC_BIND, [client(dcerpc_request(3))]),
    "dcerpc others": (DCERPC, "tcp", DCERPC_BIND, [client(dcerpc_request(9)), server(dcerpc_response(bytes(999)))]),
    "ftp commands": (FTP, "tcp", FTP_LOGIN, [client(b"NOOP\r\n")]),
    "ftp dialogues": (FTP, "tcp", FTP_LOGIN, [client(b"PASV\r\n"), server(b"227 10,0,2,2,4,1\r\n")]),
    "ftp pipelined": (FTP, "tcp", FTP_LOGIN, [client(b"PASV\r\nRETR a\r\nABOR\r\nPORT 1,2\r\n")]),
    "ftp replies": (FTP, "tcp", FTP_LOGIN, [server(b"226 done\r\n")]),
    "ftp multi-line": (FTP, "tcp", [*FTP_LOGIN, server(b"227-x\r\n")], [server(b"10,0,2,2,4,1\r\n")]),
    "ftp long lines": (FTP, "tcp", FTP_LOGIN, [server(b"200 " + b"1,2 , 3" * 500 + b"\r\n")]),
    "ftp records": (FTP, "tcp", FTP_TLS, [client(b"\x17\x03\x03\0\1x")]),
    "h323 calls": (H323, "tcp", [client(setup())], [client(setup()), server(h323_connect(fastStart=PROPOSALS))]),
    "h323 channels": (
        H323, "tcp", [client(setup())],
        [client(facility(pdu=tunnel(*[open_channel(number, None, MEDIA) for number in range(1, 60)])))],
    ),
    "h323 empty packets": (H323, "tcp", [client(setup())], [client(tpkt(b""))]),
    "h323 long packets": (H323, "tcp", [client(setup())], [client(tpkt(bytes(60000)))]),
    "h323 registrations": (H323, "udp", [], [client(rrq([MEDIA] * 30, [MEDIA] * 30))]),
    "rtsp frames": (RTSP, "tcp", [], [server(rtsp_frame(8))]),
    "rtsp setups": (RTSP, "tcp", [], [client(rtsp_request("SETUP", 1, "RTP/AVP;client_port=5000-5001"))]),
    "rtsp alternatives": (RTSP, "tcp", [], [client(rtsp_request("SETUP", 1, "RTP/AVP;client_port=5000-5001," * 300))]),
    "rtsp fields": (RTSP, "tcp", [], [client(b"OPTIONS * RTSP/1.0\r\n" + b"a: b\r\n c\r\n" * 1000 + b"\r\n")]),
    "tns packets": (TNS, "tcp", TNS_CONNECT, [server(packet(12, b"\1\0\1"))]),
    "tns redirects": (TNS, "tcp", [], [client(connect()), server(packet(REDIRECT, b"\0\x32" + address()))]),
    "tns long packets": (TNS, "tcp", TNS_CONNECT, [client(packet(DATA, bytes(60000)))]),
    "tns blanks": (TNS, "tcp", [], [client(connect()), server(packet(REDIRECT, b"\x1f\0" + b" " * 7936))]),
    "tns groups": (TNS, "tcp", [], [client(connect()), server(packet(REDIRECT, b"\x1f\0" + b"(A=1)(B=" * 992))]),
    "rpc calls": (RPC, "tcp", [], [client(record(getport(1)))]),
    "rpc replies": (RPC, "tcp", [], [client(record(getport(1))), server(record(reply(1, bytes(4))))]),
    "rpc fragments": (RPC, "tcp", [], [client(record(*(bytes([byte]) for byte in getport(1)[:31])))]),
    "rpc lists": (
        RPC, "tcp", [],
        [
            client(record(call(1, 4, 11, bytes(20)))),
            server(record(reply(1, entries(*[list_entry(b"10.0.2.2.4.1", b"tcp")] * 100)))),
        ],
    ),
    "rpc datagrams": (RPC, "udp", [], [client(getport(1)), server(reply(1, bytes(4)))]),
    "rpc links": (RPC, "tcp", [], [client(record(create_link())), server(record(linked()))]),
    "rpc interrupts": (RPC, "tcp", [client(record(create_link()))], [client(record(create_interrupts()))]),
    "rpc waveforms": (RPC, "tcp", [client(record(create_link()))], [client(record(written(data=bytes(99_999))))]),
    "sane words": (SANE, "tcp", [client(INIT), server(word(0, 1))], [client(word(1)), server(word(0, 0))]),
    "mgcp calls": (MGCP, "udp", [], list(MGCP_CALL)),
    "mgcp messages": (MGCP, "udp", [], [client(b".\r\n".join([crcx()] * 300))]),
    "mgcp separators": (MGCP, "udp", list(MGCP_CALL), [client(b".\n" * 20_000), client(b". " * 20_000)]),
    "mgcp lines": (MGCP, "udp", [client(crcx())], [server(created(body=sdp(extra="a=\r\n" * 7000)))]),
    "mgcp blanks": (
        MGCP, "udp", list(MGCP_CALL),
        [client(b"CRCX" + b" " * 30_000), client(b"CRCX 1 x MGCP 1.0\nC" + b" " * 30_000)],
    ),
    "sccp calls": (SCCP, "tcp", [], list(SCCP_CALL)),
    "sccp channels": (SCCP, "tcp", [], [server(opened(7), opened(8)), client(ack(), ack(party=8))]),
    "sccp long messages": (SCCP, "tcp", [], [client(sccp_message(0x33, bytes(16_000)))]),
    "sip calls": (SIP, "udp", [], [client(invite(OFFER)), server(ok(ANSWER)), client(sip_request("BYE"))]),
    "sip offers": (SIP, "udp", [], [client(invite(OFFER)), server(ok(ANSWER))]),
    "sip streams": (SIP, "tcp", [], [client(invite(OFFER)), server(ok(ANSWER))]),
    "sip keep-alives": (SIP, "tcp", [], [client(b"\r\n\r\n")]),
    "sip Vias": (SIP, "udp", [], [client(sip_request("OPTIONS", via="SIP/2.0/UDP 10.0.1.2, " * 1000))]),
    "sip contacts": (SIP, "udp", [], [client(sip_request("REGISTER", contact="<sip:a@10.0.1.2:7>, " * 1000))]),
    "sip blanks": (SIP, "udp", [], [client(invite("m=" + " " * 15000, via=" " * 15000, contact="<" + " " * 15000))]),
    "sip quotes": (SIP, "udp", [], [client(sip_request("REGISTER", contact='"' + '\\"' * 15000))]),
    "sip brackets": (SIP, "udp", [], [client(sip_request("REGISTER", contact="<sip:" + "a" * 30000))]),
    "sip lines": (SIP, "udp", [], [client(invite("a=\r\n" * 7000))]),
    "tftp options": (TFTP, "udp", [], [client(b"\0\1a\0octet\0" + b"a\0b\0" * 100)]),
    "tftp NULs": (TFTP, "udp", [], [client(b"\0\1a\0octet\0" + bytes(490))]),
    "irc lines": (IRC, "tcp", [client(LOGIN)], [client(b"PRIVMSG bob :hello\r\n")]),
    "irc offers": (IRC, "tcp", [client(LOGIN)], [client(send() + accept())]),
    "irc numbers": (IRC, "tcp", [client(LOGIN)], [client(send(name=b"1 " * 200))]),
    "irc blanks": (IRC, "tcp", [client(LOGIN)], [client(b" " * 4000 + b"\r\n")]),
    "irc tags": (IRC, "tcp", [client(LOGIN)], [client(b"@a :b " * 700 + b"\r\n")]),
    "irc long lines": (IRC, "tcp", [client(LOGIN)], [client(b"x" * 20_000 + b"\r\n")]),
    "irc server": (IRC, "tcp", [client(LOGIN)], [server(b":a PRIVMSG b :hello\r\n")]),
    "nfs4 identities": (NFS4, "tcp", [], [client(set_client_id(identity=b"x" * 1000))]),
    "xdmcp addresses": (XDMCP, "udp", [], [client(xdmcp_request(bytes(4), others=(bytes(4),) * 200))]),
    "xdmcp sessions": (XDMCP, "udp", [client(xdmcp_request(bytes(4)))], [server(xdmcp_accept(), xdmcp_alive())]),
    "amanda headers": (AMANDA, "udp", [], [client(b"Amanda 3.5 REQ HANDLE 0-0 SEQ 1\nSERVICE noop\n")]),
}  # fmt: skip

#: bytes that a control connection may hold, all parsers
MAX_BUFFERED = 20_000


def whole(script: Iterable[Message]) -> Iterable[Message]:
    return script


def single_bytes(script: Iterable[Message]) -> Iterable[Message]:
    for message in script:
        for at in range(len(message.data)):
            yield Message(message.data[at : at + 1], message.reply)


def script_of(beginning: list[Message], lines: list[Message], size: int) -> list[Message]:
    length = sum(len(line.data) for line in lines)
    return [*beginning, *(lines * max(1, size // length))]


def count_calls(helper: Helper, l4: str, script: Iterable[Message]) -> tuple[int, int]:
    """Return the number of calls and the largest number of buffered bytes."""
    calls = most = 0

    def profile(frame: FrameType, event: str, arg: object) -> None:
        nonlocal calls
        calls += event in ("call", "c_call")

    parser = new_parser(helper, flow_of(helper, l4))
    for message in script:
        sys.setprofile(profile)
        try:
            for _ in parser.feed(message.data, message.reply):
                pass
        except ParseError:
            pass
        finally:
            sys.setprofile(None)
        most = max(most, parser.buffered)
    return calls, most


@pytest.mark.parametrize("cut", [whole, single_bytes])
@pytest.mark.parametrize("case", CASES)
def test_work_grows_linearly(
    case: str, cut: Callable[[Iterable[Message]], Iterable[Message]]
) -> None:
    helper, l4, beginning, lines = CASES[case]
    if l4 == "udp" and cut is single_bytes:
        return
    counts = []
    for size in (1_000, 10_000, 100_000) if cut is whole else (300, 3_000):
        script = script_of(beginning, lines, size)
        calls, buffered = count_calls(helper, l4, cut(script))
        assert buffered <= MAX_BUFFERED
        counts.append(calls / sum(len(line.data) for line in script))
    # calls for each byte
    for smaller, larger in pairwise(counts):
        assert larger <= 1.2 * smaller


@pytest.mark.parametrize(
    ("helper", "reply", "data"),
    [
        (FTP, False, b"RETR " + b"x" * 4000),
        (FTP, True, b"220 " + b"x" * 4000),
        (H323, True, tpkt(bytes(8000))[:-1]),
        (H323, False, tpkt(bytes(60000))[:-1]),
        (TNS, True, packet(REDIRECT, b"\x1f\0" + b"x" * 7936)[:-1]),
        (TNS, False, packet(DATA, bytes(60000))[:-1]),
        (RPC, True, record(bytes(60000))[:-1]),
        (RPC, False, record(bytes(60000))[:-1]),
        (SANE, True, word(0, 1)[:-1]),
        (IRC, False, b"x" * IRC_LINE),
    ],
    ids=lambda value: value.name if isinstance(value, Helper) else "",
)
def test_incomplete_messages_are_bounded(helper: Helper, reply: bool, data: bytes) -> None:
    beginning = {
        FTP.name: FTP_LOGIN,
        H323.name: [client(setup())],
        TNS.name: TNS_CONNECT,
        IRC.name: [client(LOGIN)],
        SANE.name: [client(INIT)],
    }
    parser = new_parser(helper, flow_of(helper, "tcp"))
    for message in [*beginning.get(helper.name, []), Message(data, reply)]:
        list(parser.feed(message.data, message.reply))
    assert parser.buffered <= MAX_BUFFERED / 2
