"""A ruleset as nft 1.0.6 lists it, and the state of a gateway between lan and wan."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cli_explain import HELPER, MASTER

from fwhelpers.cli.explain.rule_walk import Ruleset
from fwhelpers.cli.explain.sources import State

GOLDEN = Path(__file__).parents[3] / "golden" / "explain"


@pytest.fixture
def ruleset() -> Ruleset:
    objects = json.loads((GOLDEN / "gateway.json").read_text())
    return Ruleset.parse(objects, (GOLDEN / "gateway.nft").read_text())


@pytest.fixture
def state(ruleset: Ruleset) -> State:
    """Everything could be asked: a running service, a control connection, nothing expected."""
    control = {
        **MASTER, "helper": "fw-ftp", "reply_source": "10.0.2.2", "reply_source_port": 21,
        "reply_destination": "10.0.1.2", "reply_destination_port": 41234,
    }  # fmt: skip
    return State(
        service={"Version": "9", "Steering": "rules", "Problems": {}},
        helpers=[HELPER],
        expectations=[],
        refusals=[],
        entries=[control],
        ruleset=ruleset,
        routes={"10.0.1.2": ("lan", False), "10.0.2.2": ("wan", False), "10.0.1.1": ("lo", True)},
    )
