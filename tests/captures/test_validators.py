"""The validators and captures of other people's traffic, where they are present (see test_truth.py)."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from fwhelpers_plugins.discovery.validators import dhcpv6, dns, netbios, slp, snmp, ssdp, wsd

from fwhelpers.api import ParseError
from fwhelpers.discovery import Query
from fwhelpers.engine.headers import locate
from fwhelpers.testing import pcap
from fwhelpers.testing.link_layer import ip_packet

ROOT = Path(__file__).parents[2]
CAPTURES = Path(os.environ.get("FWHELPERS_CAPTURES") or ROOT.parent / "shared" / "captures")

pytestmark = pytest.mark.skipif(
    not (CAPTURES / "truth.jsonl").is_file(), reason=f"no captures in {CAPTURES}"
)

UDP = 17
CHECKS: dict[str, tuple[int, Callable[[bytes, int], Query | None]]] = {
    "dhcpv6": (547, dhcpv6.check),
    "llmnr": (5355, dns.check_llmnr),
    "mdns": (5353, dns.check),
    "netbios-ns": (137, netbios.check),
    "slp": (427, slp.check),
    "snmp": (161, snmp.check),
    "ssdp": (1900, ssdp.check),
    "wsd": (3702, wsd.check),
}
#: questions that answers may come to, others, and what is not the protocol
COUNTS = {
    "dhcpv6": (86, 6, 0),
    "llmnr": (310, 1, 0),
    "mdns": (4, 77, 0),
    "netbios-ns": (360, 14, 0),
    "slp": (7, 0, 0),
    "snmp": (281, 12, 0),
    "ssdp": (62, 36, 0),
    "wsd": (0, 4, 0),
}


class Datagram(NamedTuple):
    sport: int
    dport: int
    data: bytes


@cache
def datagrams(file: Path) -> dict[int, Datagram]:
    return dict(_datagrams(file))


def _datagrams(file: Path) -> Iterator[tuple[int, Datagram]]:
    for frame in pcap.read(file):
        packet = ip_packet(frame.link, frame.data)
        segment = locate(packet) if packet else None
        if packet and segment and segment.l4 == UDP:
            ports = packet[segment.data - 8 : segment.data - 4]
            sport, dport = int.from_bytes(ports[:2], "big"), int.from_bytes(ports[2:], "big")
            data = bytes(packet[segment.data : segment.end])
            yield frame.number, Datagram(sport, dport, data)


def questions() -> list[dict[str, Any]]:
    """All that was answered by unicast, from truth.jsonl."""
    file = CAPTURES / "truth.jsonl"
    items = map(json.loads, file.read_text().splitlines()) if file.is_file() else []
    return [
        i
        for i in items
        if i["protocol"] in CHECKS and i["master"]["dport"] == CHECKS[i["protocol"]][0]
    ]


@pytest.mark.parametrize("protocol", sorted({item["protocol"] for item in questions()}))
def test_what_was_answered_is_a_question(protocol: str) -> None:
    port, check = CHECKS[protocol]
    # a LOCATION in a NOTIFY or a response is fetched over TCP: no question
    queries = [i for i in questions() if i["protocol"] == protocol and i["expected"]["l4"] == "udp"]
    for item in queries:
        question = datagrams(CAPTURES / item["file"])[item["first_seen_after"]["trigger"]]
        assert question.dport == port
        assert check(question.data, question.sport), item["file"]


@pytest.mark.parametrize("protocol", CHECKS)
def test_all_datagrams_to_the_port(protocol: str) -> None:
    port, check = CHECKS[protocol]
    counts: Counter[str] = Counter()
    for file in sorted((CAPTURES / protocol).glob("*.pcap*")):
        for datagram in datagrams(file).values():
            if datagram.dport == port:
                counts[_verdict(check, datagram)] += 1
    assert (counts["question"], counts["nothing"], counts["other"]) == COUNTS[protocol]


def _verdict(check: Callable[[bytes, int], Query | None], datagram: Datagram) -> str:
    try:
        return "question" if check(datagram.data, datagram.sport) else "nothing"
    except ParseError:
        return "other"
