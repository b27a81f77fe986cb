"""Captures of gateways' and Cisco phones' calls, with the media that really flowed; where they are present.

FWHELPERS_CAPTURES names their directory, ../shared/captures beside the project is looked at otherwise.
"""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from fwhelpers_plugins import mgcp, sccp

from fwhelpers.engine.guard import Limits
from fwhelpers.testing.playbook import settings_of
from fwhelpers.testing.replay import replay_file

ROOT = Path(__file__).parents[2]
CAPTURES = Path(os.environ.get("FWHELPERS_CAPTURES") or ROOT.parent / "shared" / "captures")

pytestmark = pytest.mark.skipif(
    not (CAPTURES / "truth.jsonl").is_file(), reason=f"no captures in {CAPTURES}"
)

HELPERS = {h.name: h for plugin in (mgcp, sccp) for h in plugin.fwhelpers_helpers()}
SETTINGS = {name: settings_of(helper, {}) for name, helper in HELPERS.items()}

Item = dict[str, Any]


@cache
def replayed(file: str, address: str) -> list[Item]:
    limits = dict.fromkeys(HELPERS, Limits(address=address, max_per_source=255))
    return list(replay_file(CAPTURES / file, HELPERS, SETTINGS, limits))


def lines(name: str) -> list[Item]:
    if not (CAPTURES / name).is_file():
        return []
    items = map(json.loads, (CAPTURES / name).read_text().splitlines())
    return [item for item in items if item["protocol"] in HELPERS]


def is_control(item: Item) -> bool:
    """Some media that are listed with MGCP belong to SIP calls of the same gateway."""
    return item["master"]["dport"] in HELPERS[item["protocol"]].ports


TRUE = [t for t in lines("truth.jsonl") if t["confidence"] == "strong" and is_control(t)]
FALSE = lines("negative.jsonl")
FILES = sorted(f"{name}/{f.name}" for name in HELPERS for f in (CAPTURES / name).glob("*.pcap*"))


def admits(item: Item, truth: Item) -> bool:
    """Whether the expectation admits the connection that followed, its source included."""
    flow, expected = truth["data_flow"], item["expected"]
    return (
        item["refused"] is None
        and item["helper"] == truth["protocol"]
        and item["trigger"] < truth["first_seen_after"]["data"]
        and item["master"] == truth["master"]
        and expected["src"] in (flow["src"], "0.0.0.0/0")
        and expected["sport"] in (flow["sport"], None)
        and all(expected[key] == flow[key] for key in ("l4", "dst", "dport"))
    )


def missing(address: str) -> list[Item]:
    return [t for t in TRUE if not any(admits(i, t) for i in replayed(t["file"], address))]


def test_media_of_third_parties_flow_if_they_are_allowed() -> None:
    assert TRUE
    print(f"{len(TRUE)} media connections followed")
    # one gateway behind a translation of its own sends from an address that no message names
    assert [t["data_flow"]["src"] for t in missing("announced")] == ["172.29.183.213"]


def test_media_of_all_hosts_flow_if_any_may_send() -> None:
    assert missing("any-src") == []


@pytest.mark.parametrize("file", FILES)
def test_by_default_everything_opened_is_between_the_two_ends(file: str) -> None:
    for item in replayed(file, "peer"):
        if item["refused"] is None:
            ends = {item["master"]["src"], item["master"]["dst"]}
            assert {item["expected"]["src"], item["expected"]["dst"]} <= ends


@pytest.mark.parametrize("file", FILES)
def test_refusals_give_their_reason(file: str) -> None:
    refused = [i["refused"] for i in replayed(file, "peer") if i["refused"]]
    assert all(reason.startswith(("G5: ", "G8: ")) for reason in refused)
    if any(t["file"] == file for t in TRUE):
        assert refused


@pytest.mark.parametrize("file", sorted({n["file"] for n in FALSE}))
def test_what_a_strict_helper_refuses(file: str) -> None:
    opened = {
        (item["trigger"], item["expected"]["dst"], item["expected"]["dport"])
        for item in replayed(file, "peer")
        if item["refused"] is None
    }
    false = (n for n in FALSE if n["file"] == file)
    assert not opened & {
        (n["packet"], n["announced"]["addr"], n["announced"]["port"]) for n in false
    }
