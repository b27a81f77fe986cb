"""Captures of RTSP, with the streams that really followed; where they are present (see test_truth)."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from fwhelpers_plugins.rtsp import fwhelpers_helpers
from recorded import CAPTURES, PRESENT, Item, between_ends, files, predicts, strong

from fwhelpers.engine.guard import Limits
from fwhelpers.testing.playbook import settings_of
from fwhelpers.testing.replay import replay_file

pytestmark = pytest.mark.skipif(not PRESENT, reason=f"no captures in {CAPTURES}")

(_RTSP,) = fwhelpers_helpers()
RTSP = replace(_RTSP, ports=[*_RTSP.ports, 8555])  # VLC's in one of them


ENDS = [item for item in strong("rtsp") if between_ends(item)]
FILES = files("rtsp")


@cache
def replayed(path: Path) -> list[Item]:
    return list(
        replay_file(path, {"rtsp": RTSP}, {"rtsp": settings_of(RTSP, {})}, {"rtsp": Limits()})
    )


@pytest.mark.parametrize("item", ENDS, ids=lambda item: f"{item['file'][-60:]}-{item['variant']}")
def test_streams_between_the_ends_of_the_control_connection(item: Item) -> None:
    assert any(predicts(item, expected) for expected in replayed(item["path"]))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name[:60])
def test_only_the_ends_of_the_control_connection(path: Path) -> None:
    for item in replayed(path):
        if item["refused"] is None:
            ends = {item["master"]["src"], item["master"]["dst"]}
            assert {item["expected"]["src"], item["expected"]["dst"]} == ends
            assert item["expected"]["dport"] >= 1024
