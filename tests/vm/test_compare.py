"""The reference, the kernel's helpers and ours with the same traffic: every difference has its reason."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from lab.compare import Case, observe
from lab.compare_cases import CASES
from lab.compare_page import explained, section
from lab.topology import Lab

DOC = Path(__file__).parents[2] / "docs/comparison.md"


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=re.sub(r"\W+", "-", case.name), marks=pytest.mark.nat(case.nat))
        for case in CASES
    ],
)
# a table that is out of date fails: the page is part of what is tested
def test_every_difference_has_its_reason(lab: Lab, case: Case) -> None:
    case.start(lab)
    if case.firewall:
        lab.nft(case.firewall)
    observations = {name: observe(lab, case, name) for name in case.candidates}
    text = section(case, observations)
    run = os.environ.get("FWHELPERS_RUN")
    if run:
        (Path(run) / f"comparison-{CASES.index(case):02}.md").write_text(text)
    failing = [
        step for step, observation in observations["fwhelpers"].items() if not observation.works
    ]
    assert failing == []
    assert [difference for difference in explained(case, observations) if not difference[-1]] == []
    assert text in DOC.read_text(), "docs/comparison.md is not what is measured: ./dev compare"
