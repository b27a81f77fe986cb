"""Captures of the lab's real programs (tests/vm/record.py), the truth taken from conntrack on a gateway without us."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fwhelpers.plugin.manager import load
from fwhelpers.testing.playbook import settings_of
from fwhelpers.testing.replay import replay_file

OWN = Path(__file__).with_name("own")
CAPTURES = sorted(OWN.glob("*.pcap"))


def replayed(capture: Path) -> list[dict[str, Any]]:
    helpers = load().helpers
    settings = {name: settings_of(helper, {}) for name, helper in helpers.items()}
    return list(replay_file(capture, helpers, settings))


def covers(expected: dict[str, Any], flow: dict[str, Any]) -> bool:
    return all(value is None or flow[key] == value for key, value in expected.items())


def test_there_are_captures() -> None:
    assert CAPTURES


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: path.stem)
def test_every_data_connection_is_predicted_and_none_refused(capture: Path) -> None:
    items = replayed(capture)
    truth = [
        json.loads(line) for line in capture.with_suffix(".truth.jsonl").read_text().splitlines()
    ]
    assert truth
    missed = [flow for flow in truth if not any(covers(item["expected"], flow) for item in items)]
    assert missed == []
    assert [item["refused"] for item in items if item["refused"]] == []


@pytest.mark.parametrize("capture", CAPTURES, ids=lambda path: path.stem)
def test_nothing_is_opened_that_nobody_uses(capture: Path) -> None:
    truth = [
        json.loads(line) for line in capture.with_suffix(".truth.jsonl").read_text().splitlines()
    ]
    unused = [
        item["expected"]
        for item in replayed(capture)
        if not any(covers(item["expected"], flow) for flow in truth)
    ]
    assert unused == []
