"""Discovery in other people's captures: a request, and the unicast answers that really followed.

Which answers followed is found here without the engine: a datagram to a group or broadcast address, then one from
elsewhere to the socket that it left by.
"""

from __future__ import annotations

import ipaddress
import json
import os
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from fwhelpers_plugins import discovery

from fwhelpers.engine.headers import UDP, locate
from fwhelpers.testing import pcap
from fwhelpers.testing.link_layer import ip_packet
from fwhelpers.testing.replay import replay_file

ROOT = Path(__file__).parents[2]
CAPTURES = Path(os.environ.get("FWHELPERS_CAPTURES") or ROOT.parent / "shared" / "captures")
HELPERS = {h.name: h for h in discovery.fwhelpers_helpers()}
#: BACnet talks between the same two ports ever after, so that only dissectors tell its answers: `TRUE`
FOLDERS = ("dhcpv6", "llmnr", "mdns", "netbios-ns", "slp", "snmp", "ssdp", "wsd")

pytestmark = pytest.mark.skipif(
    not (CAPTURES / "truth.jsonl").is_file(), reason=f"no captures in {CAPTURES}"
)

Item = dict[str, Any]


class Answer(NamedTuple):
    """A datagram that came to a socket which had asked."""

    helper: str
    frame: int
    source: str
    sport: int
    asker: str
    port: int


class Datagram(NamedTuple):
    """A UDP datagram of a capture."""

    frame: int
    time: float
    src: str
    sport: int
    dst: str
    dport: int


FILES = sorted(
    f"{folder}/{file.name}" for folder in FOLDERS for file in (CAPTURES / folder).glob("*.pcap*")
)


@cache
def replayed(file: str) -> list[Item]:
    return list(replay_file(CAPTURES / file, HELPERS))


def datagrams(file: str) -> Iterator[Datagram]:
    for frame in pcap.read(CAPTURES / file):
        packet = ip_packet(frame.link, frame.data)
        segment = locate(packet) if packet else None
        if packet and segment and segment.l4 == UDP:
            v4 = packet[0] >> 4 == 4
            src, dst = (packet[12:16], packet[16:20]) if v4 else (packet[8:24], packet[24:40])
            at = segment.transport
            sport, dport = (int.from_bytes(packet[at + i : at + i + 2], "big") for i in (0, 2))
            yield Datagram(
                frame.number, frame.time,
                str(ipaddress.ip_address(src)), sport, str(ipaddress.ip_address(dst)), dport,
            )  # fmt: skip


def to_many(address: str) -> bool:
    return ipaddress.ip_address(address).is_multicast or address.endswith(".255")


@cache
def answers(file: str) -> list[Answer]:
    asked: dict[tuple[str, int], list[tuple[str, float, Datagram]]] = {}
    found = []
    for d in datagrams(file):
        for helper, time, request in asked.get((d.dst, d.dport), ()):
            fixed = HELPERS[helper].extra["row"].reply_port
            port = request.dport if fixed == "same" else fixed
            alive = 0 <= d.time - time <= HELPERS[helper].policies[0].timeout
            if alive and port in ("any", d.sport) and d.src != request.src and not to_many(d.dst):
                found.append(Answer(helper, d.frame, d.src, d.sport, d.dst, d.dport))
                break
        for name, helper_ in HELPERS.items():
            if d.dport in helper_.ports and to_many(d.dst):
                asked.setdefault((d.src, d.sport), []).append((name, d.time, d))
    return found


def predicted(answer: Answer, items: list[Item]) -> bool:
    return any(
        item["refused"] is None
        and item["helper"] == answer.helper
        and item["trigger"] < answer.frame
        and ipaddress.ip_address(answer.source) in ipaddress.ip_network(item["expected"]["src"])
        and item["expected"]["sport"] in (None, answer.sport)
        and (item["expected"]["dst"], item["expected"]["dport"]) == (answer.asker, answer.port)
        for item in items
    )


@pytest.mark.parametrize("file", FILES)
def test_answers_were_expected(file: str, record_property: Callable[[str, object], None]) -> None:
    came = answers(file)
    missing = [answer for answer in came if not predicted(answer, replayed(file))]
    record_property("answers", len(came))
    print(f"{file}: {len(came) - len(missing)} of {len(came)} answers expected")
    assert missing == []


@pytest.mark.parametrize("file", FILES)
def test_only_requests_to_many_open_and_only_for_the_asker(file: str) -> None:
    for item in replayed(file):
        if item["refused"] is None:
            if item["expected"]["l4"] == "tcp":  # test_upnp_truth.py
                continue
            assert to_many(item["master"]["dst"])
            assert item["expected"]["dst"] == item["master"]["src"]
            assert item["expected"]["dport"] == item["master"]["sport"]
            assert ipaddress.ip_network(item["expected"]["src"]).prefixlen >= 10


def truths() -> dict[str, list[Item]]:
    found: dict[str, list[Item]] = {}
    if (CAPTURES / "truth.jsonl").is_file():
        for line in (CAPTURES / "truth.jsonl").read_text().splitlines():
            item = json.loads(line)
            if item["protocol"] in HELPERS and item["confidence"] == "strong":
                found.setdefault(item["file"], []).append(item)
    return found


TRUE = truths()


@pytest.mark.parametrize("file", TRUE)
def test_what_wireshark_saw_follow_was_expected(file: str) -> None:
    """The same against records which Wireshark's dissectors made."""
    for truth in TRUE[file]:
        flow = truth["data_flow"]
        answer = Answer(
            truth["protocol"], truth["first_seen_after"]["data"],
            flow["src"], flow["sport"], flow["dst"], flow["dport"],
        )  # fmt: skip
        assert predicted(answer, replayed(file)), truth


def test_the_counts() -> None:
    count = {name: 0 for name in HELPERS}
    for file in FILES:
        for answer in answers(file):
            count[answer.helper] += 1
    print({name: number for name, number in count.items() if number})
    print(f"{sum(map(len, TRUE.values()))} records of Wireshark's in {len(TRUE)} files")
    assert sum(count.values())
