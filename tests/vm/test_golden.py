"""The golden rulesets, as the kernel itself judges them: with the helpers that they name registered."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from lab.process import run
from lab.topology import Lab

from fwhelpers.api import DatagramParser, Helper
from fwhelpers.kernel.socket import NetlinkSocket
from fwhelpers.plugin.manager import load
from fwhelpers.registration.cthelpers import CtHelperTable

GOLDEN = sorted((Path(__file__).parents[1] / "golden").glob("*.nft"))
_OBJECT = re.compile(r'type "([^"]+)" protocol (tcp|udp)')


def others() -> list[Helper]:
    """The helpers of the golden files that no plugin of ours offers."""
    ours = {helper.kernel_name for helper in load().helpers.values()}
    named: dict[str, set[str]] = {}
    for file in GOLDEN:
        for name, l4 in _OBJECT.findall(file.read_text()):
            named.setdefault(name, set()).add(l4)
    return [
        Helper(name.removeprefix("fw-"), sorted(l4s), [69], DatagramParser)
        for name, l4s in named.items()
        if name not in ours
    ]


@pytest.fixture(scope="module")
def registered() -> Iterator[None]:
    run([sys.executable, "-m", "fwhelpers", "register"])
    with closing(NetlinkSocket()) as netlink:
        assert CtHelperTable(netlink).register(others()) == {}
    yield
    # all of ours, those of no plugin as well; it waits until the kernel has dropped a dry run's references
    run([sys.executable, "-m", "fwhelpers", "unregister"])


def test_the_kernel_takes_them(registered: None, lab: Lab) -> None:
    errors = {g.stem: lab.run("g", "nft", "-c", "-f", str(g), check=False).stderr for g in GOLDEN}
    assert len(errors) > 12
    assert {name: error for name, error in errors.items() if error} == {}
