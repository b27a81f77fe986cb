"""Requests of discovery protocols as real programs send them, and other datagrams on the same ports."""

from __future__ import annotations


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

LIFX = bytes.fromhex(
    "24000034 02000000 0000000000000000 000000000000 00 01 0000000000000000 0200 0000"
)


def kasa(text: bytes) -> bytes:
    """XOR each byte with the encrypted one before it."""
    key, encrypted = 171, bytearray()
    for byte in text:
        key ^= byte
        encrypted.append(key)
    return bytes(encrypted)


KASA = kasa(b'{"system":{"get_sysinfo":null}}')

#: helper: a request, and another datagram on the same port that opens nothing
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
        bytes.fromhex("810b000d 0120ffff00ff 1000 c4"),
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
    "govee": (
        b'{"msg":{"cmd":"scan","data":{"account_topic":"reserve"}}}',
        b'{"msg":{"cmd":"turn","data":{"value":1}}}',
    ),
    "lifx": (LIFX, LIFX[:32] + b"\3\0" + LIFX[34:]),
    "kasa": (KASA, b"\0\0\0\x1d" + KASA),
    "gree": (b'{"t":"scan"}', b'{"t":"pack"}'),
    "yeelight": (
        b"M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1982\r\n"
        b'MAN: "ssdp:discover"\r\nST: wifi_bulb\r\n',
        b"NOTIFY * HTTP/1.1\r\nHost: 239.255.255.250:1982\r\nNTS: ssdp:alive\r\n",
    ),
    "magichome": (b"HF-A11ASSISTHREAD", b"+ok=10.0.1.9,ACCF233A1B2C"),
    "wiz": (
        b'{"method":"registration","params":{"phoneMac":"AAAAAAAAAAAA","register":false}}',
        b'{"method":"setPilot","params":{"state":true}}',
    ),
    "miio": (b"\x21\x31\0\x20" + b"\xff" * 28, b"\x21\x31\0\x20" + bytes(28)),
    "broadlink": (bytes(38) + b"\6" + bytes(9), bytes(38) + b"\7" + bytes(9)),
    "midea": (b"\x5a\x5a\1\x11\x48\0\x92\0" + bytes(64), b"\x5a\x5a\2" + bytes(69)),
    "jellyfin": (b"Who is JellyfinServer?", b'{"Address":"http://10.0.1.9:8096"}'),
    "artnet": (b"Art-Net\0\0\x20\0\x0e\2\0", b"Art-Net\0\0\x50\0\x0e\0\0" + bytes(8)),
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
