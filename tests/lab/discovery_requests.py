"""Discovery requests to groups and broadcast addresses, in the form that real programs send."""

from __future__ import annotations

SSDP = b'M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: "ssdp:discover"\r\nMX: 1\r\nST: ssdp:all\r\n'
WSD = (
    b'<?xml version="1.0" encoding="utf-8"?><soap:Envelope xmlns:soap="http://www.w3.org/2003/05/soap-envelope" '
    b'xmlns:wsa="http://schemas.xmlsoap.org/ws/2004/08/addressing" '
    b'xmlns:wsd="http://schemas.xmlsoap.org/ws/2005/04/discovery"><soap:Header>'
    b"<wsa:To>urn:schemas-xmlsoap-org:ws:2005:04:discovery</wsa:To>"
    b"<wsa:Action>http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</wsa:Action>"
    b"<wsa:MessageID>urn:uuid:0a6dc791-2be6-4991-9af1-454778a1917a</wsa:MessageID>"
    b'</soap:Header><soap:Body><wsd:Probe><wsd:Types xmlns:wsdp="http://schemas.xmlsoap.org/ws/2006/02/devprof">'
    b"wsdp:Device</wsd:Types></wsd:Probe></soap:Body></soap:Envelope>"
)
DNS = b"\x12\x34\0\0\0\1\0\0\0\0\0\0\7printer\5local\0\0\1\0\1"
SNMP = bytes.fromhex(
    "302902010104067075626c6963a01c020400000001020100020100300e300c06082b060102010101000500"
)
NBNS = b"\x12\x34\1\x10\0\1\0\0\0\0\0\0\x20" + b"CK" + b"AA" * 15 + b"\0\0\x20\0\1"
SLP = bytes.fromhex("0201000030200000000000070002656e") + b"".join(
    len(text).to_bytes(2, "big") + text for text in (b"", b"service:printer", b"DEFAULT", b"", b"")
)
DHCP6 = b"\1\1\2\3" + bytes.fromhex("0001000a00030001021122334455000600020017000800020000")

#: helper, family, destination, port, source port (0: any), request
REQUESTS = {
    "ssdp": ("ssdp", 4, "239.255.255.250", 1900, 0, SSDP + b"\r\n"),
    "ssdp-from-another-port": (
        "ssdp",
        4,
        "239.255.255.250",
        1900,
        0,
        SSDP + b"X-PORT: 4242\r\n\r\n",
    ),
    "ssdp-v6": ("ssdp", 6, "ff02::c", 1900, 0, SSDP + b"\r\n"),
    "wsd": ("wsd", 4, "239.255.255.250", 3702, 0, WSD),
    "mdns": ("mdns", 4, "224.0.0.251", 5353, 0, DNS),
    "mdns-v6": ("mdns", 6, "ff02::fb", 5353, 0, DNS),
    "llmnr": ("llmnr", 4, "224.0.0.252", 5355, 0, DNS),
    "netbios-ns": ("netbios-ns", 4, "10.0.1.255", 137, 0, NBNS),
    "netbios-ns-own-port": ("netbios-ns", 4, "255.255.255.255", 137, 137, NBNS),
    "snmp": ("snmp", 4, "10.0.1.255", 161, 0, SNMP),
    "slp": ("slp", 4, "239.255.255.253", 427, 0, SLP),
    "dhcpv6": ("dhcpv6", 6, "ff02::1:2", 547, 546, DHCP6),
}
