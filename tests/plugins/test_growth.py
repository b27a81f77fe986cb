"""The work of each parser grows linearly with its input, and what it buffers is bounded.

Function calls are counted, those of C functions included: time depends on the machine.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from itertools import pairwise
from types import FrameType

import pytest
from ftp_messages import FTP
from fwhelpers_plugins.amanda import fwhelpers_helpers as amanda_helpers
from fwhelpers_plugins.rpc import fwhelpers_helpers as rpc_helpers
from fwhelpers_plugins.sane import fwhelpers_helpers as sane_helpers
from fwhelpers_plugins.tftp import fwhelpers_helpers as tftp_helpers
from fwhelpers_plugins.tns import fwhelpers_helpers as tns_helpers
from rpc_messages import call, entries, getport, list_entry, record, reply
from sane_messages import INIT, word
from tns_messages import DATA, REDIRECT, address, connect, packet

from fwhelpers.api import Helper, ParseError
from fwhelpers.testing.playbook import Message, client, flow_of, new_parser, server

(AMANDA,), (RPC,), (SANE,) = amanda_helpers(), rpc_helpers(), sane_helpers()
(TFTP,), (TNS,) = tftp_helpers(), tns_helpers()

FTP_LOGIN = [server(b"220 hi\r\n"), client(b"USER a\r\n"), server(b"230 in\r\n")]
FTP_TLS = [*FTP_LOGIN, client(b"AUTH TLS\r\n"), server(b"234 go\r\n")]
TNS_CONNECT = [client(connect())]

#: helper, transport, beginning, repeated lines
CASES: dict[str, tuple[Helper, str, list[Message], list[Message]]] = {
    "ftp commands": (FTP, "tcp", FTP_LOGIN, [client(b"NOOP\r\n")]),
    "ftp dialogues": (FTP, "tcp", FTP_LOGIN, [client(b"PASV\r\n"), server(b"227 10,0,2,2,4,1\r\n")]),
    "ftp pipelined": (FTP, "tcp", FTP_LOGIN, [client(b"PASV\r\nRETR a\r\nABOR\r\nPORT 1,2\r\n")]),
    "ftp replies": (FTP, "tcp", FTP_LOGIN, [server(b"226 done\r\n")]),
    "ftp multi-line": (FTP, "tcp", [*FTP_LOGIN, server(b"227-x\r\n")], [server(b"10,0,2,2,4,1\r\n")]),
    "ftp long lines": (FTP, "tcp", FTP_LOGIN, [server(b"200 " + b"1,2 , 3" * 500 + b"\r\n")]),
    "ftp records": (FTP, "tcp", FTP_TLS, [client(b"\x17\x03\x03\0\1x")]),
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
    "sane words": (SANE, "tcp", [client(INIT), server(word(0, 1))], [client(word(1)), server(word(0, 0))]),
    "tftp options": (TFTP, "udp", [], [client(b"\0\1a\0octet\0" + b"a\0b\0" * 100)]),
    "tftp NULs": (TFTP, "udp", [], [client(b"\0\1a\0octet\0" + bytes(490))]),
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
        (TNS, True, packet(REDIRECT, b"\x1f\0" + b"x" * 7936)[:-1]),
        (TNS, False, packet(DATA, bytes(60000))[:-1]),
        (RPC, True, record(bytes(60000))[:-1]),
        (RPC, False, record(bytes(60000))[:-1]),
        (SANE, True, word(0, 1)[:-1]),
    ],
    ids=lambda value: value.name if isinstance(value, Helper) else "",
)
def test_incomplete_messages_are_bounded(helper: Helper, reply: bool, data: bytes) -> None:
    beginning = {FTP.name: FTP_LOGIN, TNS.name: TNS_CONNECT, SANE.name: [client(INIT)]}
    parser = new_parser(helper, flow_of(helper, "tcp"))
    for message in [*beginning.get(helper.name, []), Message(data, reply)]:
        list(parser.feed(message.data, message.reply))
    assert parser.buffered <= MAX_BUFFERED / 2
