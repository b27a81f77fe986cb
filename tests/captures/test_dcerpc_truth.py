"""Captures of Windows' and Samba's endpoint mappers and of DCOM, with the connections that followed.

FWHELPERS_CAPTURES names their directory, ../shared/captures beside the project is looked at otherwise.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from fwhelpers_plugins import dcerpc
from recorded import CAPTURES, PRESENT, Item, predicts, strong

from fwhelpers.testing.playbook import settings_of
from fwhelpers.testing.replay import replay_file

pytestmark = pytest.mark.skipif(not PRESENT, reason=f"no captures in {CAPTURES}")

HELPERS = {helper.name: helper for helper in dcerpc.fwhelpers_helpers()}
SETTINGS = {name: settings_of(helper, {}) for name, helper in HELPERS.items()}
TRUE = list(strong("dcerpc")) if PRESENT else []
FILES = sorted(
    path
    for folder in (CAPTURES / "dcerpc", CAPTURES / "own")
    for path in folder.glob("*.pcap*")
    if "dcerpc" in str(path)
)


@cache
def replayed(path: Path) -> list[Item]:
    return list(replay_file(path, HELPERS, SETTINGS))


@pytest.mark.parametrize("item", TRUE, ids=lambda item: Path(item["file"]).stem[-40:])
def test_what_followed_was_expected(item: Item) -> None:
    assert any(predicts(item, expected) for expected in replayed(item["path"]))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem[-40:])
def test_the_server_alone_is_opened_to_the_client(path: Path) -> None:
    for item in replayed(path):
        if item["refused"] is not None:
            continue
        assert item["expected"]["src"] == item["master"]["src"]
        assert item["expected"]["dst"] == item["master"]["dst"]
        assert item["expected"]["dport"] >= 1024


def test_the_counts() -> None:
    predicted = sum(any(predicts(i, e) for e in replayed(i["path"])) for i in TRUE)
    print(f"{predicted} of {len(TRUE)} connections were expected")
    assert predicted == len(TRUE)
