"""Captures of other people's traffic, with the connections that really followed; where they are present.

FWHELPERS_CAPTURES names their directory, ../shared/captures beside the project is looked at otherwise.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from fwhelpers_plugins import amanda, ftp, h323, rpc, rtsp, sane, tftp, tns

from fwhelpers.testing.playbook import settings_of
from fwhelpers.testing.replay import replay_file

ROOT = Path(__file__).parents[2]
CAPTURES = Path(os.environ.get("FWHELPERS_CAPTURES") or ROOT.parent / "shared" / "captures")

pytestmark = pytest.mark.skipif(
    not (CAPTURES / "truth.jsonl").is_file(), reason=f"no captures in {CAPTURES}"
)

HELPERS = {
    h.name: h
    for plugin in (amanda, ftp, h323, rpc, rtsp, sane, tftp, tns)
    for h in plugin.fwhelpers_helpers()
}
SETTINGS = {
    # among the captures are programs that the default leaves out
    name: settings_of(helper, {"programs": ["any"]} if name == "rpc" else {})
    for name, helper in HELPERS.items()
}

Item = dict[str, Any]


@cache
def replayed(file: str) -> list[Item]:
    return list(replay_file(CAPTURES / file, HELPERS, SETTINGS))


def lines(name: str) -> Iterator[Item]:
    if not (CAPTURES / name).is_file():
        return
    for line in (CAPTURES / name).read_text().splitlines():
        item = json.loads(line)
        if item["protocol"] in HELPERS:
            yield item


def by_file(items: Iterator[Item]) -> dict[str, list[Item]]:
    groups: dict[str, list[Item]] = {}
    for item in items:
        groups.setdefault(item["file"], []).append(item)
    return groups


TRUE = by_file(t for t in lines("truth.jsonl") if t["confidence"] == "strong")
FALSE = by_file(lines("negative.jsonl"))
FILES = sorted(
    f"{name}/{file.name}" for name in HELPERS for file in (CAPTURES / name).glob("*.pcap*")
)


@pytest.mark.parametrize("file", TRUE)
def test_what_followed_was_expected(
    file: str, record_property: Callable[[str, object], None]
) -> None:
    record_property("connections", len(TRUE[file]))
    missing = [truth for truth in TRUE[file] if not any(map(predicts(truth), replayed(file)))]
    assert missing == []


def predicts(truth: Item) -> Callable[[Item], bool]:
    fields = {key: value for key, value in truth["expected"].items() if value is not None}

    def check(item: Item) -> bool:
        return (
            item["refused"] is None
            and item["helper"] == truth["protocol"]
            and item["master"] == truth["master"]
            and fields.items() <= item["expected"].items()
            and item["trigger"] < truth["first_seen_after"]["data"]
        )

    return check


#: recorded on one side of a translating gateway: the two directions of the control connections have different
#: addresses, and so have media and what announces it
TRANSLATED = {"h323/aliawa_saved_pcaps__h323_rx.pcap", "h323/aliawa_saved_pcaps__h323_tx.pcap"}


@pytest.mark.parametrize("file", sorted(TRUE.keys() - TRANSLATED))
def test_what_followed_was_seen(file: str) -> None:
    first = {truth["first_seen_after"]["data"] for truth in TRUE[file]}
    assert first & {item["data"] for item in replayed(file)}


@pytest.mark.parametrize("file", FALSE)
def test_what_a_strict_helper_refuses(
    file: str, record_property: Callable[[str, object], None]
) -> None:
    record_property("announcements", len(FALSE[file]))
    opened = {
        (item["trigger"], item["expected"]["dst"], item["expected"]["dport"])
        for item in replayed(file)
        if item["refused"] is None
    }
    announced = {(n["packet"], n["announced"]["addr"], n["announced"]["port"]) for n in FALSE[file]}
    assert opened & announced == set()


@pytest.mark.parametrize("file", FILES)
def test_everything_opened_is_between_the_two_ends(file: str) -> None:
    for item in replayed(file):
        if item["refused"] is None:
            ends = {item["master"]["src"], item["master"]["dst"]}
            assert {item["expected"]["src"], item["expected"]["dst"]} <= ends
            assert item["expected"]["dport"] >= 512


TNS = {
    "tns/conntrack-tools__oracle-tns-redirect.pcap": ["192.168.0.218 > 192.168.0.4:2143"],
    "tns/cisco-system-traffic-generator_trex-core__scripts_avl_oracle.pcap": [],
}


@pytest.mark.parametrize("file", TNS)
def test_redirects_of_oracle_listeners(file: str) -> None:
    """The captures end with the announcement, so that truth.jsonl knows nothing of them."""
    opened = [item["expected"] for item in replayed(file) if item["refused"] is None]
    assert [f"{e['src']} > {e['dst']}:{e['dport']}" for e in opened] == TNS[file]


def test_the_counts() -> None:
    strong = sum(map(len, TRUE.values()))
    negative = sum(map(len, FALSE.values()))
    print(f"{strong} connections followed in {len(TRUE)} files, {negative} announcements refused")
    assert strong
    assert negative
