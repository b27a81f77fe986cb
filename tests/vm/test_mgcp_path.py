"""MGCP: a call agent has osmo-mgw connect two phones, through a gateway that accepts related traffic alone.

RTP of the first goes to osmo-mgw, and from it to the second, which has sent nothing itself.
"""

from __future__ import annotations

import sys
from subprocess import CompletedProcess

import pytest
from lab import PROGRAMS
from lab.mgcp import PORT, start_gateway
from lab.sip import expected
from lab.topology import CLIENT, SERVER, Lab

AGENT = (sys.executable, str(PROGRAMS / "mgcp_agent.py"))
NATS = [pytest.param(kind, marks=pytest.mark.nat(kind)) for kind in ("none", "snat", "both")]


def call(lab: Lab) -> CompletedProcess[str]:
    return lab.run("c", *AGENT, CLIENT[4], lab.target(), str(PORT), check=False, timeout=60)


@pytest.mark.parametrize("nat", NATS)
def test_a_phone_hears_another_one(lab: Lab, nat: str) -> None:
    hosts = sorted({SERVER[4], lab.target()})
    lab.start_fwhelpers(f"[helpers.mgcp]\ndestinations = {hosts}\n")
    start_gateway(lab)
    done = call(lab)
    assert done.stdout.split() == ["connected", "heard", "ended"], done.stderr
    assert expected(lab) == [], "the connections have ended"


def test_without_helper_nothing_is_heard(lab: Lab) -> None:
    start_gateway(lab)
    assert call(lab).stdout.split() == ["connected", "ended"]
    assert lab.dropped() > 0
