"""The golden rulesets, as the kernel itself judges them: with the helpers that they name registered."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from lab import Lab
from process import run

GOLDEN = sorted((Path(__file__).parents[1] / "golden").glob("*.nft"))

_OTHERS = """
from fwhelpers.api import DatagramParser, Helper
from fwhelpers.daemon.registry import Registry
others = [Helper(name, "udp", [69], DatagramParser) for name in ("tftp", "ask", "shout")]
assert not Registry().register(others)
"""


@pytest.fixture(scope="module")
def registered() -> Iterator[None]:
    """All helpers that the golden files name; ours, and those that no plugin of ours offers."""
    run([sys.executable, "-m", "fwhelpers", "register"])
    run([sys.executable, "-c", _OTHERS])
    yield
    # all of ours, those of no plugin as well; it waits until the kernel has dropped a dry run's references
    run([sys.executable, "-m", "fwhelpers", "unregister"])


def test_the_kernel_takes_them(registered: None, lab: Lab) -> None:
    said = {g.stem: lab.run("g", "nft", "-c", "-f", str(g), check=False).stderr for g in GOLDEN}
    assert len(said) == 13
    assert {name: error for name, error in said.items() if error} == {}
