"""Captures of calls. In many of them the media's other end is no end of the control connection.

The default refuses it, `announced` allows it.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from fwhelpers_plugins.sip import fwhelpers_helpers
from recorded import CAPTURES, PRESENT, Item, between_ends, files, predicts, strong

from fwhelpers.engine.guard import Limits
from fwhelpers.testing import pcap
from fwhelpers.testing.link_layer import ip_packet
from fwhelpers.testing.playbook import settings_of
from fwhelpers.testing.replay import replay_file

pytestmark = pytest.mark.skipif(not PRESENT, reason=f"no captures in {CAPTURES}")

(SIP,) = fwhelpers_helpers()
MODES = ("peer", "announced", "any-src")


TRUE = list(strong("sip"))
ENDS = [item for item in TRUE if between_ends(item)]
OTHERS = [item for item in TRUE if not between_ends(item)]
FILES = files("sip")


@cache
def replayed(path: Path, mode: str) -> list[Item]:
    # captures of gateways have more calls than one phone
    limits = Limits(address=mode, rate=10_000, max_per_source=10_000)
    return list(replay_file(path, {"sip": SIP}, {"sip": settings_of(SIP, {})}, {"sip": limits}))


def admits(item: Item, expected: Item) -> bool:
    """Also from the host that sent."""
    source = expected["expected"]["src"]
    return predicts(item, expected) and (source == item["data_flow"]["src"] or "/0" in source)


def missed(items: list[Item], mode: str, check: Callable[[Item, Item], bool]) -> list[Item]:
    return [i for i in items if not any(check(i, e) for e in replayed(i["path"], mode))]


@pytest.mark.parametrize("mode", MODES)
def test_media_between_the_ends_of_the_control_connection(mode: str) -> None:
    assert ENDS
    assert missed(ENDS, mode, admits) == []


@pytest.mark.parametrize("mode", ["announced", "any-src"])
def test_media_of_other_hosts(mode: str) -> None:
    assert missed(OTHERS, mode, predicts) == []


def test_media_of_other_hosts_from_any_source() -> None:
    assert missed(OTHERS, "any-src", admits) == []


def test_media_from_other_hosts_are_not_admitted_by_default() -> None:
    assert missed(OTHERS, "peer", admits) == OTHERS


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name[:60])
@pytest.mark.parametrize("mode", MODES)
def test_only_hosts_that_a_message_names(path: Path, mode: str) -> None:
    text = b"".join(ip_packet(frame.link, frame.data) or b"" for frame in pcap.read(path))
    for item in replayed(path, mode):
        if item["refused"] is None:
            ends = {item["master"]["src"], item["master"]["dst"]}
            for host in (item["expected"]["src"], item["expected"]["dst"]):
                if "/0" in host:
                    assert mode == "any-src"
                elif host not in ends:
                    assert mode != "peer"
                    assert f"IN IP4 {host}".encode() in text or f"IN IP6 {host}".encode() in text
            assert item["expected"]["dport"] >= 1024


def test_announcements_that_a_strict_helper_refuses() -> None:
    negative = [json.loads(line) for line in (CAPTURES / "negative.jsonl").read_text().splitlines()]
    negative = [item for item in negative if item["protocol"] == "sip"]
    assert negative
    for item in negative:
        opened = {
            (expected["trigger"], expected["expected"]["dst"], expected["expected"]["dport"])
            for expected in replayed(CAPTURES / item["file"], "peer")
            if expected["refused"] is None
        }
        announced = item["announced"]
        assert (item["packet"], announced["addr"], announced["port"]) not in opened


@pytest.mark.parametrize("mode", MODES)
def test_the_counts(mode: str) -> None:
    for name, items in ("between the ends", ENDS), ("other hosts", OTHERS):
        predicted = len(items) - len(missed(items, mode, predicts))
        admitted = len(items) - len(missed(items, mode, admits))
        print(
            f"{mode}: {name}: {predicted} of {len(items)} predicted, {admitted} with their source"
        )
