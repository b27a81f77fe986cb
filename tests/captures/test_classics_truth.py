"""IRC, rsh, XDMCP, talk and NFSv4.0 in recorded traffic, if it is present (see test_truth.py)."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fwhelpers_plugins import irc, nfs4, rcmd, talk, xdmcp

from fwhelpers.engine.guard import Limits
from fwhelpers.testing.playbook import settings_of
from fwhelpers.testing.replay import replay_file

ROOT = Path(__file__).parents[2]
CAPTURES = Path(os.environ.get("FWHELPERS_CAPTURES") or ROOT.parent / "shared" / "captures")

pytestmark = pytest.mark.skipif(
    not (CAPTURES / "truth.jsonl").is_file(), reason=f"no captures in {CAPTURES}"
)

#: helper by the captures' name of the protocol; none has a rexec whose server connects back
NAMES = {"irc": "irc", "nfs4": "nfs4cb", "ntalk": "talk", "rsh": "rsh", "xdmcp": "xdmcp-x11"}
#: the same connection follows the answer to a LOOK_UP, by which talk opens it
TWICE = "ANNOUNCE: addr"
HELPERS = {
    helper.name: helper
    for plugin in (irc, nfs4, rcmd, talk, xdmcp)
    for helper in plugin.fwhelpers_helpers()
    if helper.name in NAMES.values()
}
OWN_SETTINGS = {"rsh": {"privileged": True}}
SETTINGS = {
    name: settings_of(helper, OWN_SETTINGS.get(name, {})) for name, helper in HELPERS.items()
}
LIMITS = {"irc": Limits(address="any-src")}

Item = dict[str, Any]


def truths() -> Iterator[tuple[Path, Item]]:
    """The connections that followed an announcement; each file of them describes its own directory."""
    for name in ("truth.jsonl", "own/truth.jsonl"):
        index = CAPTURES / name
        for line in index.read_text().splitlines() if index.is_file() else []:
            item = json.loads(line)
            outgoing = item["dst_is_master_endpoint"] is False or item.get("variant") == TWICE
            if item["protocol"] in NAMES and item["confidence"] == "strong" and not outgoing:
                yield index.parent / item["file"], item


TRUTHS = list(truths())


def replayed(file: Path, limits: dict[str, Limits]) -> list[Item]:
    return list(replay_file(file, HELPERS, SETTINGS, limits))


def predicts(item: Item, truth: Item) -> bool:
    fields = {key: value for key, value in truth["expected"].items() if value is not None}
    return (
        item["refused"] is None
        and item["helper"] == NAMES[truth["protocol"]]
        and item["master"] == truth["master"]
        and fields.items() <= item["expected"].items()
        and item["trigger"] < truth["first_seen_after"]["data"]
    )


@pytest.mark.parametrize(
    ("file", "truth"), TRUTHS, ids=lambda value: value.stem if isinstance(value, Path) else ""
)
def test_what_followed_was_expected(file: Path, truth: Item) -> None:
    assert [item for item in replayed(file, LIMITS) if predicts(item, truth)]


@pytest.mark.parametrize("file", sorted({file for file, _ in TRUTHS}), ids=lambda file: file.stem)
def test_only_the_announcer_is_opened(file: Path) -> None:
    opened = [item for item in replayed(file, LIMITS) if item["refused"] is None]
    assert opened
    for item in opened:
        asked = item["helper"] == "talk" and item["expected"]["l4"] == "tcp"
        announcer = "dst" if asked else "src"
        assert item["expected"]["dst"] == item["master"][announcer]


@pytest.mark.parametrize("file", sorted((CAPTURES / "irc").glob("*")), ids=lambda file: file.stem)
def test_irc_opens_nothing_without_consent(file: Path) -> None:
    opened = [item for item in replayed(file, {}) if item["refused"] is None]
    assert opened == []


def test_third_parties_of_irc_are_refused() -> None:
    index = CAPTURES / "negative.jsonl"
    negative = [json.loads(line) for line in index.read_text().splitlines()]
    announced = [item for item in negative if item["protocol"] == "irc"]
    assert announced
    for item in announced:
        opened = {
            (other["expected"]["dst"], other["expected"]["dport"])
            for other in replayed(CAPTURES / item["file"], LIMITS)
            if other["refused"] is None
        }
        assert (item["announced"]["addr"], item["announced"]["port"]) not in opened


def test_the_counts() -> None:
    print(f"{len(TRUTHS)} connections followed")
    assert {truth["protocol"] for _, truth in TRUTHS} == set(NAMES)
