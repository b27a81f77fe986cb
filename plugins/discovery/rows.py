"""The table of discovery protocols. docs/protocols/discovery.md explains the columns.

A row has a validator if its requests cannot be recognised by bytes at offsets; its signature then only filters early.
"""

from __future__ import annotations

from fwhelpers.discovery import ANY, Match, Row

from .home import HOME
from .shapes import broadcast, groups6, match_bytes
from .validators import bacnet, dhcpv6, dns, kdeconnect, netbios, slp, snmp, ssdp, wsd

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
        signature=(_DNS_QUERY, match_bytes(4, b"\0\1\0\0\0\0")),
        size=(17, 600),
        reply_port=5355,
        window=3,
        spec="RFC 4795",
        validator=dns.check_llmnr,
        doc="link-local multicast name resolution",
    ),
    # QR 0; opcode query, registration, release, WACK or refresh; B flag: RFC 1002 §4.2.1.1. Then one question
    # with a name of 32 letters (§4.1)
    broadcast(
        "netbios-ns",
        (137,),
        "NetBIOS names, used by Samba and Windows",
        (50, 600),
        match_bytes(2, b"\0", b"\x28", b"\x30", b"\x38", b"\x40", b"\x48", mask=b"\xf8"),
        match_bytes(3, b"\x10", mask=b"\x10"),
        match_bytes(4, b"\0\1\0\0\0\0"),
        match_bytes(12, b"\x20"),
        reply_port=137,
        window=3,
        spec="RFC 1002",
        validator=netbios.check,
    ),
)

DEVICES = (
    Row(
        "ssdp",
        (1900,),
        groups=("239.255.255.250", *groups6("c")),
        broadcast=True,
        signature=(match_bytes(0, b"M-SEARCH "),),
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
        # XML: a tag, perhaps after a byte order mark or blanks
        signature=(match_bytes(0, b"<", b"\xef\xbb\xbf", b" ", b"\t", b"\r", b"\n"),),
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
        # ff0x::116, and ff0x::1:1000 to ::1:13ff by service type: RFC 3111 §4. The 224.0.1 groups are those of
        # version 1: agents, directory agents, Hewlett-Packard's devices
        groups=(
            "239.255.255.253",
            "224.0.1.22",
            "224.0.1.35",
            "224.0.1.60",
            *groups6("116", "25"),
            *groups6("1:1000/118", "25"),
        ),
        broadcast=True,
        # versions 2 and 1; SrvRqst, AttrRqst, SrvTypeRqst: RFC 2608 §8, RFC 2165 §4
        signature=(
            match_bytes(0, *(bytes((version, kind)) for version in (2, 1) for kind in (1, 6, 9))),
        ),
        size=(20, 1400),
        reply_port=427,
        window=15,
        spec="RFC 2608, 3111, 2165",
        validator=slp.check,
        doc="service location, older printers and servers",
    ),
    # SEQUENCE { INTEGER version 0, 1 or 3 …, the length in one, two or three bytes
    broadcast(
        "snmp",
        (161,),
        "SNMP by broadcast, used by CUPS to find printers",
        (20, 1500),
        match_bytes(0, b"\x30"),
        reply_port=161,
        window=10,
        spec="RFC 3416, 3417",
        validator=snmp.check,
    ),
    Row(
        "bjnp",
        (8610, 8611, 8612, 8613),
        groups=("ff02::1",),
        broadcast=True,
        # device type: printer or scanner; command: discover
        signature=(match_bytes(0, b"BJNP", b"BJNB", b"MFNP"), match_bytes(4, b"\1\1", b"\2\1")),
        size=(16, 64),
        doc="Canon printers and scanners",
    ),
    broadcast(
        "epson",
        (3289,),
        "Epson printers and scanners",
        (14, 64),
        match_bytes(0, b"EPSONP", b"EPSONQ"),
    ),
    Row(
        "hdhomerun",
        (65001,),
        groups=groups6("176", "25"),
        broadcast=True,
        signature=(match_bytes(0, b"\0\2"),),  # discover request
        size=(8, 1460),
        doc="HDHomeRun television tuners",
    ),
    Row(
        "coap",
        (5683,),
        groups=("224.0.1.187", *groups6("fd", "258")),
        # version 1, non-confirmable, token of at most 8 bytes; GET: RFC 7252 §3, §8.1
        signature=(
            Match(0, tuple(bytes((0x50 | length,)) for length in range(9))),
            match_bytes(1, b"\1"),
        ),
        size=(4, 1152),
        reply_port=ANY,
        window=10,
        spec="RFC 7252, 7390",
        doc="CoAP devices",
    ),
)

INDUSTRY = (
    Row(
        "knx",
        (3671,),
        groups=("224.0.23.12",),
        # SEARCH_REQUEST and its extended form; HPAI of 8 bytes, UDP
        signature=(match_bytes(0, b"\6\x10\2\1", b"\6\x10\2\x0b"), match_bytes(6, b"\x08\1")),
        size=(14, 64),
        reply_port=3671,
        window=10,
        spec="KNXnet/IP Core",
        doc="KNX gateways",
    ),
    Row(
        "bacnet",
        tuple(range(47808, 47824)),
        groups=groups6("bac0", "258"),
        broadcast=True,
        # types and functions of messages to all devices
        signature=(match_bytes(0, b"\x81\x0b", b"\x81\x0a", b"\x81\x09", b"\x82\x02"),),
        size=(8, 1500),
        window=10,
        spec="ASHRAE 135 annexes J, U",
        validator=bacnet.check,
        doc="BACnet/IP devices (Who-Is, Who-Has)",
    ),
    # ListIdentity, ListServices; no data, no session, no status
    broadcast(
        "enip",
        (44818,),
        "EtherNet/IP devices",
        (24, 24),
        match_bytes(0, b"\x63\0\0\0\0\0\0\0\0\0\0\0", b"\4\0\0\0\0\0\0\0\0\0\0\0"),
        spec="CIP volume 2",
    ),
    # RMCP of class ASF, IANA number 4542, presence ping
    broadcast(
        "ipmi",
        (623,),
        "management controllers (RMCP presence ping)",
        (12, 12),
        match_bytes(0, b"\6\0"),
        match_bytes(3, b"\6\0\0\x11\xbe\x80"),
        spec="ASF 2.0 §3.2.4.2",
    ),
    # DISCOVERY_CMD, no data
    broadcast(
        "gvcp",
        (3956,),
        "industrial cameras",
        (8, 8),
        match_bytes(0, b"\x42"),
        match_bytes(2, b"\0\2\0\0"),
        spec="GigE Vision",
    ),
)

HOSTS = (
    Row(
        "sql-browser",
        (1434,),
        groups=("ff02::1",),
        broadcast=True,
        signature=(match_bytes(0, b"\2"),),  # CLNT_BCAST_EX
        size=(1, 1),
        spec="MC-SQLR §2.2.1",
        doc="Microsoft SQL Server instances",
    ),
    Row(
        "xdmcp",
        (177,),
        groups=tuple(f"ff0{scope}::12b" for scope in "258e"),
        broadcast=True,
        signature=(match_bytes(0, b"\0\1\0\1"),),  # version 1, BroadcastQuery
        size=(7, 512),
        window=10,
        spec="XDMCP 1.1",
        doc="X display managers",
    ),
    Row(
        "dhcpv6",
        (547,),
        groups=("ff02::1:2", "ff05::1:3"),
        # all messages of clients: RFC 8415 §7.3, RFC 5007 §4.1, RFC 7341 §6, RFC 9686 §4.2
        signature=(match_bytes(0, *(bytes((kind,)) for kind in dhcpv6.CLIENT)),),
        source_ports=(546,),
        size=(8, 1500),
        reply_port=ANY,  # RFC 8415 §7.2 names the port on which servers listen, not the one from which they answer
        window=30,
        longest=120,
        spec="RFC 8415, 5007, 7341, 9686",
        validator=dhcpv6.check,
        doc="IPv6 addresses and prefixes for this host",
    ),
)

#: the host announces the port on which it listens, others connect
ANNOUNCED = (
    Row(
        "kdeconnect",
        (1716,),
        broadcast=True,
        # devices that a person added by address, as in a VPN
        unicast=True,
        signature=(match_bytes(0, b"{"),),
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
        signature=(match_bytes(0, b"{"),),
        size=(40, 8192),
        # the list of neighbours stays on the screen; a file follows when the user selects one
        window=600,
        announces=(1024, 65535),
        validator=kdeconnect.check_localsend,
        spec="LocalSend protocol 2.1",
        doc="files from neighbours",
    ),
)

ROWS = (*DNS_LIKE, *DEVICES, *INDUSTRY, *HOSTS, *ANNOUNCED, *HOME)
