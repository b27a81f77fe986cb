"""The rows: what real programs ask is recognised, what others say on the same port is not."""

from __future__ import annotations

import pytest
from fwhelpers_plugins.discovery import fwhelpers_helpers
from hypothesis import given
from hypothesis import strategies as st

from fwhelpers.api import Endpoint, Event, Expect, Flow, ParseError
from fwhelpers.plugin.validation import validate

HELPERS = {helper.name: helper for helper in fwhelpers_helpers()}


def dns(flags: int, questions: int = 1, others: bytes = bytes(6)) -> bytes:
    head = b"\x12\x34" + flags.to_bytes(2, "big") + questions.to_bytes(2, "big")
    return head + others + b"\7printer\5local\0\0\1\0\1"


NBNS = b"\x12\x34\1\x10\0\1\0\0\0\0\0\0\x20" + b"CK" * 16 + b"\0\0\x20\0\1"
MSEARCH = (
    b'M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: "ssdp:discover"\r\n'
    b"MX: 3\r\nST: ssdp:all\r\n\r\n"
)
NOTIFY = b"NOTIFY * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nNTS: ssdp:alive\r\n\r\n"
PROBE = (
    b'<?xml version="1.0" encoding="utf-8"?><soap:Envelope xmlns:soap="http://www.w3.org/2003/05/soap-envelope" '
    b'xmlns:wsa="http://schemas.xmlsoap.org/ws/2004/08/addressing" '
    b'xmlns:wsd="http://schemas.xmlsoap.org/ws/2005/04/discovery"><soap:Header>'
    b"<wsa:To>urn:schemas-xmlsoap-org:ws:2005:04:discovery</wsa:To>"
    b"<wsa:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</wsa:Action>"
    b"<wsa:MessageID>urn:uuid:0a6dc791-2be6-4991-9af1-454778a1917a</wsa:MessageID>"
    b"</soap:Header><soap:Body><wsd:Probe/></soap:Body></soap:Envelope>"
)
# version, function, length | flags (multicast), extension | xid, language | responders, type, scope, predicate, SPI
SRVRQST = (
    bytes.fromhex("0201000034 2000 000000 0001 0002 656e")
    + b"\0\0"
    + b"\0\x13service:printer:lpr\0\7default\0\0\0\0"
)
# Solicit: client identifier, identity association, options wanted, elapsed time
SOLICIT = bytes.fromhex(
    "01010203 0001000a00030001021122334455 0003000c0000000100000e1000001518 000600020017 000800020000"
)
SNMP_GET = bytes.fromhex(
    "302902010104067075626c6963a01c020400000001020100020100300e300c06082b060102010101000500"
)

#: helper, request, something else on the same port that opens nothing
CASES = {
    "mdns": (dns(0), dns(0x8400)),
    "llmnr": (dns(0), dns(0x8000)),
    "netbios-ns": (NBNS, NBNS[:2] + b"\x85\x10" + NBNS[4:]),
    "ssdp": (MSEARCH, NOTIFY),
    "wsd": (PROBE, b"GET / HTTP/1.1\r\n" + b" " * 300),
    "slp": (SRVRQST, b"\2\2" + SRVRQST[2:]),
    "snmp": (SNMP_GET, b"\xa2" + SNMP_GET[1:]),
    "bjnp": (b"BJNP\1\1" + bytes(10), b"BJNP\x81\1" + bytes(10)),
    "epson": (b"EPSONP\0\xff" + bytes(7), b"EPSONp\0\xff" + bytes(7)),
    "hdhomerun": (b"\0\2\0\x0c" + bytes(16), b"\0\3\0\x0c" + bytes(16)),
    "coap": (b"\x50\1\0\1", b"\x60\x45\0\1"),
    "knx": (
        bytes.fromhex("06100201000e 0801 00000000 0e57"),
        bytes.fromhex("06100202000e 0801 00000000 0e57"),
    ),
    "bacnet": (
        bytes.fromhex("810b000c 0120ffff00ff 1008"),
        bytes.fromhex("810b0019 0120ffff00ff 1000 c4"),
    ),
    "enip": (b"\x63" + bytes(23), b"\x63\0\4" + bytes(21)),
    "ipmi": (
        bytes.fromhex("0600ff06 000011be 80000000"),
        bytes.fromhex("0600ff06000011be40000000"),
    ),
    "gvcp": (bytes.fromhex("42110002 0000ffff"), bytes.fromhex("00000003 0000ffff")),
    "sql-browser": (b"\2", b"\5"),
    "xdmcp": (b"\0\1\0\1\0\1\0", b"\0\1\0\5\0\1\0"),
    "dhcpv6": (SOLICIT, b"\2" + SOLICIT[1:]),
}


#: the same for rows that announce a port
CASES |= {
    "kdeconnect": (
        b'{"id":17,"type":"kdeconnect.identity","body":{"deviceId":"_1_","deviceName":"c","tcpPort":1716}}\n',
        b'{"id":17,"type":"kdeconnect.ping","body":{"deviceId":"_1_","deviceName":"c","message":"hello"}}\n',
    ),
    "localsend": (
        b'{"alias":"c","version":"2.1","fingerprint":"f1","port":53317,"protocol":"https","announce":true}',
        b'{"alias":"c","version":"2.1","fingerprint":"f1","port":53317,"protocol":"https","announce":false}',
    ),
}
CASES = {name: case for name, case in CASES.items() if name in HELPERS}


def said(name: str, data: bytes, reply: bool = False) -> list[Event]:
    helper = HELPERS[name]
    six = helper.families == (6,)
    sport = 546 if name == "dhcpv6" else 40000
    client = Endpoint.parse("fe80::2" if six else "10.0.1.2", sport)
    server = Endpoint.parse("ff02::1:2" if six else "239.255.255.250", helper.ports[0])
    return list(helper.parser_for("udp")(Flow("udp", client, server), {}).feed(data, reply))


def test_every_row_has_a_case() -> None:
    assert set(HELPERS) == set(CASES)


@pytest.mark.parametrize("name", HELPERS)
def test_declaration(name: str) -> None:
    assert list(validate(HELPERS[name])) == []
    assert HELPERS[name].doc


@pytest.mark.parametrize("name", CASES)
def test_request(name: str) -> None:
    events = said(name, CASES[name][0])
    assert len(events) == 1
    (event,) = events
    assert isinstance(event, Expect)
    row = HELPERS[name].extra["row"]
    wanted = HELPERS[name].ports[0] if row.reply_port == "same" else row.reply_port
    assert event.sport == (None if wanted == "any" or row.announces else wanted)
    assert event.l4 == ("tcp" if row.announces else "udp")
    assert event.sources
    assert 1 <= (event.timeout or 0) <= HELPERS[name].policies[0].timeout


@pytest.mark.parametrize("name", CASES)
def test_something_else(name: str) -> None:
    assert not said(name, CASES[name][1])


@pytest.mark.parametrize("name", CASES)
def test_answers(name: str) -> None:
    assert not said(name, CASES[name][0], reply=True)


@pytest.mark.parametrize("name", CASES)
def test_cut_short(name: str) -> None:
    request = CASES[name][0]
    low, _ = HELPERS[name].extra["row"].size
    for size in range(min(low, len(request))):
        assert not said(name, request[:size])


@given(st.sampled_from(sorted(CASES)), st.binary(max_size=400))
def test_any_bytes(name: str, data: bytes) -> None:
    try:
        events = said(name, data)
    except ParseError:
        return
    for event in events:
        if isinstance(event, Expect):
            assert event.server.addr in (
                Endpoint.parse("10.0.1.2").addr,
                Endpoint.parse("fe80::2").addr,
            )


def test_windows_are_short() -> None:
    """Safety rule G10: at most 30 seconds; DHCPv6's retransmissions say otherwise (RFC 8415 §7.6)."""
    for name, helper in HELPERS.items():
        assert helper.policies[0].timeout <= (120 if name == "dhcpv6" else 30)
