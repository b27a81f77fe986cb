"""UPnP in other people's captures: descriptions that were fetched, events that came."""

from __future__ import annotations

import ipaddress
import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from fwhelpers_plugins import discovery

from fwhelpers.testing.replay import replay_file

ROOT = Path(__file__).parents[2]
CAPTURES = Path(os.environ.get("FWHELPERS_CAPTURES") or ROOT.parent / "shared" / "captures")
HELPERS = {h.name: h for h in discovery.fwhelpers_helpers() if h.name == "ssdp"}
FOLDERS = ("ssdp", "upnp-gena")
#: a router's events to a control point that subscribed: all of them came to the port that its CALLBACK names
EVENTS = "upnp-gena/OISF_suricata-verify__tests_output-eve-ftp-data_input.pcap"

pytestmark = pytest.mark.skipif(
    not (CAPTURES / "truth.jsonl").is_file(), reason=f"no captures in {CAPTURES}"
)

Item = dict[str, Any]


@cache
def replayed(file: str) -> list[Item]:
    return list(replay_file(CAPTURES / file, HELPERS))


def truths() -> dict[str, list[Item]]:
    records: dict[str, list[Item]] = {}
    if (CAPTURES / "truth.jsonl").is_file():
        for line in (CAPTURES / "truth.jsonl").read_text().splitlines():
            item = json.loads(line)
            if item["protocol"] in FOLDERS:
                records.setdefault(item["file"], []).append(item)
    return records


TRUE = truths()
FILES = sorted(
    f"{name}/{file.name}" for name in FOLDERS for file in (CAPTURES / name).glob("*.pcap*")
)


def covers(item: Item, flow: Item) -> bool:
    expected = item["expected"]
    return (
        item["refused"] is None
        and (expected["l4"], expected["dst"], expected["dport"])
        == (flow["l4"], flow["dst"], flow["dport"])
        and ipaddress.ip_address(flow["src"]) in ipaddress.ip_network(expected["src"])
    )


@pytest.mark.parametrize("file", TRUE)
def test_what_wireshark_saw_follow_was_expected(file: str) -> None:
    missing = [
        truth
        for truth in TRUE[file]
        if not any(
            covers(item, truth["data_flow"]) and item["trigger"] < truth["first_seen_after"]["data"]
            for item in replayed(file)
        )
    ]
    print(f"{file}: {len(TRUE[file]) - len(missing)} of {len(TRUE[file])} connections expected")
    assert missing == []


@pytest.mark.parametrize("file", FILES)
def test_descriptions_are_opened_at_who_says_so_alone(file: str) -> None:
    for item in replayed(file):
        if item["refused"] is None and item["expected"]["l4"] == "tcp":
            ends = {item["master"]["src"], item["master"]["dst"]}
            assert item["expected"]["dst"] in ends
            assert item["expected"]["dst"] == item["master"]["src"]


def test_events_come() -> None:
    if not (CAPTURES / EVENTS).is_file():
        pytest.skip(f"{EVENTS} is not among the captures")
    events = [item for item in replayed(EVENTS) if item["expected"]["dport"] == 2869]
    assert [item for item in events if item["refused"]] == []
    assert {(item["expected"]["src"], item["expected"]["dst"]) for item in events} == {
        ("192.168.0.1", "192.168.0.13")
    }
    # this router sends its first event before the response to SUBSCRIBE
    assert sum(item["data"] is not None for item in events) >= 10
