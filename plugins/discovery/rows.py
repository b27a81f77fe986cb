"""The table of discovery protocols. See docs/protocols/discovery.md for what the columns mean.

A row whose request needs more than bytes at offsets names a validator; then its signature only spares it the rest.
"""

from __future__ import annotations

from collections.abc import Iterable

from fwhelpers.discovery import ANY, Match, Row

from .validators import dhcpv6, dns, kdeconnect, netbios, slp, snmp, ssdp, wsd


def _at(offset: int, *values: bytes, mask: bytes = b"") -> Match:
    return Match(offset, values, mask)


def _groups6(last: str, scopes: Iterable[str] = "258e") -> tuple[str, ...]:
    """A group in the scopes link, site, organisation, global (RFC 4291 §2.7)."""
    return tuple(f"ff0{scope}::{last}" for scope in scopes)


#: header of a DNS question: QR 0, opcode 0 (RFC 1035 §4.1.1); at least one question
_DNS_QUERY = Match(2, (b"\0",), b"\xf8")

DNS_LIKE = (
    Row(
        "mdns",
        (5353,),
        groups=("224.0.0.251", "ff02::fb"),
        signature=(_DNS_QUERY,),
        size=(17, 9000),
        reply_port=5353,
        window=6,
        spec="RFC 6762",
        validator=dns.check,
        doc="multicast DNS: unicast answers to one-shot and QU questions",
    ),
    Row(
        "llmnr",
        (5355,),
        groups=("224.0.0.252", "ff02::1:3"),
        # one question, no other records: RFC 4795 §2.1.1
        signature=(_DNS_QUERY, _at(4, b"\0\1\0\0\0\0")),
        size=(17, 600),
        reply_port=5355,
        window=3,
        spec="RFC 4795",
        validator=dns.check_llmnr,
        doc="link-local multicast name resolution",
    ),
    Row(
        "netbios-ns",
        (137,),
        broadcast=True,
        # QR 0; opcode query, registration, release, WACK or refresh; B flag: RFC 1002 §4.2.1.1. Then one question,
        # whose name is 32 letters long (§4.1)
        signature=(
            _at(2, b"\0", b"\x28", b"\x30", b"\x38", b"\x40", b"\x48", mask=b"\xf8"),
            _at(3, b"\x10", mask=b"\x10"),
            _at(4, b"\0\1\0\0\0\0"),
            _at(12, b"\x20"),
        ),
        size=(50, 600),
        reply_port=137,
        window=3,
        spec="RFC 1002",
        validator=netbios.check,
        doc="NetBIOS names, as Samba and Windows look them up",
    ),
)

DEVICES = (
    Row(
        "ssdp",
        (1900,),
        groups=("239.255.255.250", *_groups6("c")),
        signature=(_at(0, b"M-SEARCH * HTTP/1.1\r\n"),),
        size=(30, 2000),
        reply_port=ANY,
        window=10,
        longest=30,
        spec="UPnP Device Architecture 2.0 §1.3",
        validator=ssdp.check,
        doc="UPnP devices and media servers",
    ),
    Row(
        "wsd",
        (3702,),
        groups=("239.255.255.250", "ff02::c"),
        # XML: a declaration or the envelope itself, maybe after a byte order mark
        signature=(_at(0, b"<?xm", b"<soa", b"<SOA", b"<s:E", b"<wsd", b"<Env", b"\xef\xbb\xbf<"),),
        size=(200, 9000),
        reply_port=ANY,
        window=15,
        spec="WS-Discovery 1.1",
        validator=wsd.check,
        doc="Windows hosts, printers and scanners, ONVIF cameras",
    ),
    Row(
        "slp",
        (427,),
        # ff0x::116, and ff0x::1:1000 to ::1:13ff by service type: RFC 3111 §4
        groups=("239.255.255.253", *_groups6("116", "25"), *_groups6("1:1000/118", "25")),
        broadcast=True,
        # version 2; SrvRqst, AttrRqst, SrvTypeRqst: RFC 2608 §8
        signature=(_at(0, b"\2\1", b"\2\6", b"\2\x09"),),
        size=(20, 1400),
        reply_port=427,
        window=15,
        spec="RFC 2608, 3111",
        validator=slp.check,
        doc="service location, older printers and servers",
    ),
    Row(
        "snmp",
        (161,),
        broadcast=True,
        # SEQUENCE { INTEGER version 0, 1 or 3 …, the length in one, two or three bytes
        signature=(_at(0, b"\x30"),),
        size=(20, 1500),
        reply_port=161,
        window=10,
        spec="RFC 3416, 3417",
        validator=snmp.check,
        doc="SNMP requests to everybody, as CUPS looks for printers",
    ),
    Row(
        "bjnp",
        (8610, 8611, 8612, 8613),
        groups=("ff02::1",),
        broadcast=True,
        # device type: printer or scanner; command: discover
        signature=(_at(0, b"BJNP", b"BJNB", b"MFNP"), _at(4, b"\1\1", b"\2\1")),
        size=(16, 64),
        window=5,
        doc="Canon printers and scanners",
    ),
    Row(
        "epson",
        (3289,),
        broadcast=True,
        signature=(_at(0, b"EPSONP", b"EPSONQ"),),
        size=(14, 64),
        window=5,
        doc="Epson printers and scanners",
    ),
    Row(
        "hdhomerun",
        (65001,),
        broadcast=True,
        signature=(_at(0, b"\0\2"),),  # discover request
        size=(8, 1460),
        window=5,
        doc="HDHomeRun television tuners",
    ),
    Row(
        "coap",
        (5683,),
        groups=("224.0.1.187", *_groups6("fd", "258")),
        # version 1, non-confirmable, token of at most 8 bytes; GET: RFC 7252 §3, §8.1
        signature=(
            Match(0, tuple(bytes((0x50 | length,)) for length in range(9))),
            _at(1, b"\1"),
        ),
        size=(4, 1152),
        reply_port=ANY,
        window=10,
        spec="RFC 7252, 7390",
        doc="things that speak CoAP",
    ),
)

INDUSTRY = (
    Row(
        "knx",
        (3671,),
        groups=("224.0.23.12",),
        # SEARCH_REQUEST and its extended form; HPAI of 8 bytes, UDP
        signature=(_at(0, b"\6\x10\2\1", b"\6\x10\2\x0b"), _at(6, b"\x08\1")),
        size=(14, 64),
        reply_port=3671,
        window=10,
        spec="KNXnet/IP Core",
        doc="KNX gateways",
    ),
    Row(
        "bacnet",
        tuple(range(47808, 47824)),
        broadcast=True,
        # BVLC: original broadcast, or distribute broadcast. NPDU version 1, to this network or to all;
        # unconfirmed request: Who-Is, Who-Has
        signature=(
            _at(0, b"\x81\x0b", b"\x81\x09"),
            _at(
                4,
                b"\1\0\x10\x08",
                b"\1\0\x10\x07",
                b"\1\x20\xff\xff\0\xff\x10\x08",
                b"\1\x20\xff\xff\0\xff\x10\x07",
            ),
        ),
        size=(8, 1500),
        window=10,
        spec="ASHRAE 135 annex J",
        doc="BACnet/IP devices (Who-Is, Who-Has)",
    ),
    Row(
        "enip",
        (44818,),
        broadcast=True,
        # ListIdentity, ListServices; no data, no session, no status
        signature=(_at(0, b"\x63\0\0\0\0\0\0\0\0\0\0\0", b"\4\0\0\0\0\0\0\0\0\0\0\0"),),
        size=(24, 24),
        window=5,
        spec="CIP volume 2",
        doc="EtherNet/IP devices",
    ),
    Row(
        "ipmi",
        (623,),
        broadcast=True,
        # RMCP of class ASF, IANA number 4542, presence ping
        signature=(_at(0, b"\6\0"), _at(3, b"\6\0\0\x11\xbe\x80")),
        size=(12, 12),
        window=5,
        spec="ASF 2.0 §3.2.4.2",
        doc="management controllers (RMCP presence ping)",
    ),
    Row(
        "gvcp",
        (3956,),
        broadcast=True,
        signature=(_at(0, b"\x42"), _at(2, b"\0\2\0\0")),  # DISCOVERY_CMD, no data
        size=(8, 8),
        window=5,
        spec="GigE Vision",
        doc="industrial cameras",
    ),
)

HOSTS = (
    Row(
        "sql-browser",
        (1434,),
        groups=("ff02::1",),
        broadcast=True,
        signature=(_at(0, b"\2"),),  # CLNT_BCAST_EX
        size=(1, 1),
        window=5,
        spec="MC-SQLR §2.2.1",
        doc="Microsoft SQL Server instances",
    ),
    Row(
        "xdmcp",
        (177,),
        groups=tuple(f"ff0{scope}::12b" for scope in "258e"),
        broadcast=True,
        signature=(_at(0, b"\0\1\0\1"),),  # version 1, BroadcastQuery
        size=(7, 512),
        window=10,
        spec="XDMCP 1.1",
        doc="X display managers",
    ),
    Row(
        "dhcpv6",
        (547,),
        groups=("ff02::1:2", "ff05::1:3"),
        # all that a client sends: RFC 8415 §7.3, RFC 9686 §4.2
        signature=(_at(0, *(bytes((kind,)) for kind in (1, 3, 4, 5, 6, 8, 9, 11, 36))),),
        source_ports=(546,),
        size=(8, 1500),
        reply_port=ANY,  # RFC 8415 §7.2 says where a server listens, not from where it answers
        window=30,
        longest=120,
        sources="link-local",
        spec="RFC 8415, 9686",
        validator=dhcpv6.check,
        doc="IPv6 addresses and prefixes for this host",
    ),
)

#: the host says where it listens, others connect
ANNOUNCED = (
    Row(
        "kdeconnect",
        (1716,),
        broadcast=True,
        signature=(_at(0, b"{"),),
        size=(40, 8192),
        window=30,
        announces=(1714, 1764),
        validator=kdeconnect.check,
        spec="KDE Connect protocol 7, 8",
        doc="telephones that connect to this computer",
    ),
    Row(
        "localsend",
        (53317,),
        groups=("224.0.0.167",),
        signature=(_at(0, b"{"),),
        size=(40, 8192),
        window=10,
        announces=(1024, 65535),
        validator=kdeconnect.check_localsend,
        spec="LocalSend protocol 2.1",
        doc="files from neighbours",
    ),
)

ROWS = (*DNS_LIKE, *DEVICES, *INDUSTRY, *HOSTS, *ANNOUNCED)
