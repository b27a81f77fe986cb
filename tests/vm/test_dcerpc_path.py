"""DCE/RPC: Samba's endpoint mapper with rpcclient, and an object resolver of DCOM with impacket."""

from __future__ import annotations

import pytest
from lab import dcom
from lab.samba import list_shares, start_samba
from lab.topology import Lab, wait_until

DCERPC = "[helpers.dcerpc]\n"
ONLY = '[helpers.dcerpc]\nrpc_interfaces = ["netlogon"]\n'
SHARE = "netname: IPC$"
kinds = pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=pytest.mark.nat(kind)) for kind in ("none", "snat", "dnat", "both")],
)


def test_without_the_helper_the_firewall_drops_it(lab: Lab) -> None:
    start_samba(lab)
    assert SHARE not in list_shares(lab, lab.target(), timeout=20)
    assert lab.dropped()


@kinds
def test_the_client_reaches_the_service(lab: Lab, kind: str) -> None:
    start_samba(lab)
    daemon = lab.start_fwhelpers(DCERPC, timeout=300)
    for family in (4, 6):
        target = lab.target(family)
        # rpcclient waits for ten seconds, in which a slow machine may not have started the service
        wait_until(lambda at=target: SHARE in list_shares(lab, at), f"shares of {target}", 240)
    assert lab.dropped() == 0
    assert not [line for line in daemon.lines if "refused" in line or "failed" in line]


def test_another_interface(lab: Lab) -> None:
    start_samba(lab)
    daemon = lab.start_fwhelpers(ONLY, timeout=300)
    assert SHARE not in list_shares(lab, lab.target(), timeout=20)
    daemon.wait_line("interface srvsvc is not in `rpc_interfaces`")


def test_without_the_helper_no_object_is_reached(lab: Lab) -> None:
    dcom.start_resolver(lab)
    dcom.resolve(lab, lab.target(), timeout=5).wait_line("^data failed", 240)
    assert lab.dropped()


@kinds
def test_the_client_reaches_the_object_exporter(lab: Lab, kind: str) -> None:
    dcom.start_resolver(lab)
    daemon = lab.start_fwhelpers(DCERPC, timeout=300)
    for family in (4, 6):
        target = lab.target(family)
        client = dcom.resolve(lab, target)
        client.wait_line("^data served by the exporter$", 240)
        assert client.wait_line("^resolved (.*)").group(1) == f"{target}[{dcom.PORT}]"
    assert lab.dropped() == 0
    assert not [line for line in daemon.lines if "refused" in line or "failed" in line]
