"""Discovery in captures: a request, and the unicast answers that really followed.

Our own captures (tests/lab/record.py) are always tested. Captures of other networks are tested where
FWHELPERS_CAPTURES, or ../shared/captures, has them. This module finds the answers without the engine: a datagram to a
group or broadcast address, then one from another host to the socket that sent it.
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


OWN = Path(__file__).with_name("own") / "discovery"
FILES = [
    *sorted(OWN.glob("*.pcap")),
    *sorted(file for folder in FOLDERS for file in (CAPTURES / folder).glob("*.pcap*")),
]
each_capture = pytest.mark.parametrize(
    "file", FILES, ids=lambda file: f"{file.parent.name}-{file.name}"
)


@cache
def replayed(file: Path) -> list[Item]:
    return list(replay_file(file, HELPERS))


def datagrams(file: Path) -> Iterator[Datagram]:
    for frame in pcap.read(file):
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


def is_group(address: str) -> bool:
    return ipaddress.ip_address(address).is_multicast or address.endswith(".255")


@cache
def answers(file: Path) -> list[Answer]:
    requests: dict[tuple[str, int], list[tuple[str, float, Datagram]]] = {}
    replies = []
    for d in datagrams(file):
        for helper, time, request in requests.get((d.dst, d.dport), ()):
            fixed = HELPERS[helper].extra["row"].reply_port
            port = request.dport if fixed == "same" else fixed
            alive = 0 <= d.time - time <= HELPERS[helper].policies[0].timeout
            if alive and port in ("any", d.sport) and d.src != request.src and not is_group(d.dst):
                replies.append(Answer(helper, d.frame, d.src, d.sport, d.dst, d.dport))
                break
        for name, helper_ in HELPERS.items():
            if d.dport in helper_.ports and is_group(d.dst):
                requests.setdefault((d.src, d.sport), []).append((name, d.time, d))
    return replies


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


@each_capture
def test_answers_were_expected(file: Path, record_property: Callable[[str, object], None]) -> None:
    received = answers(file)
    missing = [answer for answer in received if not predicted(answer, replayed(file))]
    record_property("answers", len(received))
    print(f"{file}: {len(received) - len(missing)} of {len(received)} answers expected")
    assert missing == []


@each_capture
def test_only_requests_to_groups_create_expectations_and_only_for_the_asker(file: Path) -> None:
    for item in replayed(file):
        if item["refused"] is None:
            if item["expected"]["l4"] == "tcp":  # test_upnp_truth.py
                continue
            assert is_group(item["master"]["dst"])
            assert item["expected"]["dst"] == item["master"]["src"]
            assert item["expected"]["dport"] == item["master"]["sport"]
            # no router forwards to a link-local address, so anybody who reaches it is on the link
            local = ipaddress.ip_address(item["expected"]["dst"]).is_link_local
            assert local or ipaddress.ip_network(item["expected"]["src"]).prefixlen >= 10


def truths() -> dict[str, list[Item]]:
    records: dict[str, list[Item]] = {}
    if (CAPTURES / "truth.jsonl").is_file():
        for line in (CAPTURES / "truth.jsonl").read_text().splitlines():
            item = json.loads(line)
            if item["protocol"] in HELPERS and item["confidence"] == "strong":
                records.setdefault(item["file"], []).append(item)
    return records


TRUE = truths()


@pytest.mark.parametrize("file", TRUE)
def test_answers_that_wireshark_found_were_expected(file: str) -> None:
    """The answers are those of Wireshark's dissectors."""
    for truth in TRUE[file]:
        flow = truth["data_flow"]
        answer = Answer(
            truth["protocol"], truth["first_seen_after"]["data"],
            flow["src"], flow["sport"], flow["dst"], flow["dport"],
        )  # fmt: skip
        assert predicted(answer, replayed(CAPTURES / file)), truth


@pytest.mark.parametrize("file", sorted(OWN.glob("*.pcap")), ids=lambda file: file.stem)
def test_own_captures_have_answers_to_their_protocol(file: Path) -> None:
    assert file.stem in {answer.helper for answer in answers(file)}
