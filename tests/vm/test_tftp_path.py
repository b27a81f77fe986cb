"""TFTP with tftpd-hpa, and tftp-hpa, curl and atftp (with options) as clients."""

from __future__ import annotations

import pytest
from lab.clients import served, tftp_get, tftp_put
from lab.compare import Watch, expectations
from lab.servers import start_tftp
from lab.topology import Lab

TFTP = "[helpers.tftp]\n"


def test_without_the_helper_the_firewall_drops_it(lab: Lab) -> None:
    start_tftp(lab)
    assert tftp_get(lab, "curl", timeout=8).stdout == ""
    assert lab.dropped()


@pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=pytest.mark.nat(kind)) for kind in ("none", "snat", "dnat", "both")],
)
def test_files_go_both_ways(lab: Lab, kind: str) -> None:
    start_tftp(lab)
    daemon = lab.start_fwhelpers(TFTP)
    for family in (4, 6):
        for program in ("tftp-hpa", "curl", "atftp"):
            assert tftp_get(lab, program, family).stdout == "served by tftp\n"
        tftp_put(lab, f"up{family}", "sent by tftp", family)
        assert served(lab, f"/srv/tftp/up{family}") == "sent by tftp"
    assert lab.dropped() == 0
    assert not [line for line in daemon.lines if "refused" in line or "failed" in line]


def test_the_server_alone_may_answer_and_once(lab: Lab) -> None:
    start_tftp(lab)
    lab.start_fwhelpers(TFTP)
    watch = Watch(lab)
    assert tftp_get(lab, "curl").stdout == "served by tftp\n"
    assert [str(expectation) for expectation in expectations(watch.take())] == [
        "udp server:any → client:announced, 30 s, one, class 0"
    ]
