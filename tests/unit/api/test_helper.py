from __future__ import annotations

from fwhelpers.api import Helper, Parser, Policy


def test_names() -> None:
    assert Helper("ftp", "tcp", [21], Parser).kernel_name == "fw-ftp"
    assert Helper("rpc", ("tcp", "udp"), [111], Parser, [Policy("x")]).kernel_name == "rpc"
