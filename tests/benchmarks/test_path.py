"""The benchmark of the packet path: what it counts happens, and a rise is noticed."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

import path as benchmark  # noqa: E402
from path_gateway import Gateway  # noqa: E402
from path_messages import CONVERSATIONS  # noqa: E402

BASE = {benchmark.YARDSTICK: 1000.0} | {name: 500.0 for name in CONVERSATIONS}


def test_each_conversation_makes_its_expectations() -> None:
    with Gateway(benchmark.modules(ROOT)) as gateway:
        for name, conversation in CONVERSATIONS.items():
            before, attached = gateway.mark().created, gateway.attached
            assert gateway.run(conversation, 3) >= 3
            opened = gateway.mark().created - before + gateway.attached - attached
            assert opened == 3 * conversation.expectations, name


def test_a_rise_is_related_to_the_yardstick() -> None:
    slower = {name: 1.2 * count for name, count in BASE.items()}
    assert benchmark.rises(slower, BASE)["ftp"] == pytest.approx(0)
    assert benchmark.rises(BASE | {"ftp": 560.0}, BASE)["ftp"] == pytest.approx(0.12)


def test_more_than_ten_percent_fail(capsys: pytest.CaptureFixture[str]) -> None:
    assert benchmark._judge(BASE | {"ftp": 549.0}, BASE) == 0
    assert benchmark._judge(BASE | {"ftp": 551.0}, BASE) == 1
    assert capsys.readouterr().out.count("FAIL") == 1


def test_every_record_has_every_conversation() -> None:
    for figures in json.loads(benchmark.RECORD.read_text()).values():
        assert figures.keys() == {benchmark.YARDSTICK, *CONVERSATIONS}
