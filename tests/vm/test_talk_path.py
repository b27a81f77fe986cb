"""talk with netkit's programs through the gateway, which lets the caller's side ask alone."""

from __future__ import annotations

import pytest
from lab.process import wait_until
from lab.talk import call, start_daemons
from lab.topology import Lab

TALK = "[daemon]\nworkers = 1\n[helpers.talk]\n"
_RULE = 'insert rule inet firewall forward iifname "lan" ct state new udp dport 518 accept'


@pytest.mark.nat("snat")
def test_two_people_talk(lab: Lab) -> None:
    lab.nft(_RULE)
    start_daemons(lab)
    daemon = lab.start_fwhelpers(TALK)
    for person in call(lab):
        person.wait_line("^talked$")
    assert lab.dropped() == 0
    assert not [line for line in daemon.lines if "refused" in line or "failed" in line]


def test_without_the_helper_the_callee_reaches_nobody(lab: Lab) -> None:
    lab.nft(_RULE)
    start_daemons(lab)
    _, callee = call(lab)
    callee.wait_line("^called by")
    wait_until(lambda: lab.dropped() > 0, "the question is dropped")
    assert "connected" not in callee.lines
