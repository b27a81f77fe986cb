"""The whole path with real programs, without NAT and with each kind of it."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator

import pytest
from lab.clients import FTP_CASES, download, mount, read, served, umount, upload, write
from lab.process import Process
from lab.servers import ports, start_ftp, start_nfs
from lab.topology import Lab

BOTH = "[daemon]\nworkers = 2\n[helpers.rpc]\n[helpers.ftp]\n"


class Running:
    """A lab with both servers, the daemon, and conntrack's own view of the expectations."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        start_nfs(lab)
        start_ftp(lab)
        self.daemon = lab.start_fwhelpers(BOTH)
        self.events: Process = lab.popen("g", "conntrack", "-E", "expect", name="conntrack")
        self.monitor: Process = lab.popen("g", sys.executable, "-m", "fwhelpers", "monitor")
        lab.namespaces["g"].wait_listening_for_events(self.monitor)


@pytest.fixture(scope="module", params=["none", "snat", "dnat", "both"])
def path(request: pytest.FixtureRequest) -> Iterator[Running]:
    with Lab(nat=request.param) as lab:
        yield Running(lab)


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("mountproto", ["udp", "tcp"])
def test_nfs_mount_read_write(path: Running, mountproto: str, family: int) -> None:
    lab = path.lab
    result = mount(lab, mountproto, family)
    assert result.returncode == 0, result.stderr
    try:
        assert "written by the server" in read(lab)
        write(lab, f"from-client-{mountproto}{family}", "hello from the client")
    finally:
        umount(lab)
    assert served(lab, f"/srv/nfs/from-client-{mountproto}{family}") == "hello from the client"


@pytest.mark.parametrize(("way", "family"), FTP_CASES)
def test_ftp_both_ways(path: Running, way: str, family: int) -> None:
    lab = path.lab
    down = download(lab, way, family)
    assert down.returncode == 0, down.stderr
    assert down.stdout == "served by ftp\n"
    up = upload(lab, way, family, f"pub/{lab.nat}-{way}{family}", "sent by curl")
    assert up.returncode == 0, up.stderr
    assert served(lab, f"/srv/ftp/pub/{lab.nat}-{way}{family}") == "sent by curl"


def test_expectations_are_what_conntrack_shows(path: Running) -> None:
    """Ours and conntrack's view of the same mount, line by line; and the lines are those of the reference."""
    lab = path.lab
    before, ours_before = len(path.events.lines), len(path.monitor.lines)
    assert mount(lab, "tcp").returncode == 0
    umount(lab)
    mountd = ports(lab, "mountd")["tcp"]
    for port in (2049, mountd):
        pattern = rf"\[NEW\] \d+ proto=6 src=10\.0\.1\.2 dst={re.escape(lab.target())} sport=0 dport={port} "
        line = path.events.wait_line(pattern, after=before).string
        ours = path.monitor.wait_line(pattern, after=ours_before).string
        assert line == ours
        assert line.endswith("PERMANENT class=0 helper=rpc")
        assert f"master-src=10.0.1.2 master-dst={lab.target()} " in line


def test_nothing_failed_inside(path: Running) -> None:
    assert not [line for line in path.daemon.lines if "failed" in line or "Traceback" in line]
    refused = [line for line in path.daemon.lines if "refused" in line]
    assert refused == []
