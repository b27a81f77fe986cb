"""Both ways by which packets come to us, also when somebody else's rules assign the helper."""

from __future__ import annotations

import pytest
from lab.clients import download, mount, umount
from lab.process import wait_until
from lab.servers import start_ftp, start_nfs
from lab.topology import Lab
from test_daemon import greets, peer, queues

FOREIGN = """
table inet theirs {
    ct helper rpc-t { type "rpc" protocol tcp; }
    ct helper rpc-u { type "rpc" protocol udp; }
    ct helper ftp-t { type "fw-ftp" protocol tcp; }
    chain assign {
        type filter hook prerouting priority 10;
        tcp dport 21 ct helper set "ftp-t"
        tcp dport 111 ct helper set "rpc-t"
        udp dport 111 ct helper set "rpc-u"
    }
}
"""
NOBODY = 'sources = ["192.0.2.0/24"]\n'  # our own table assigns nothing


@pytest.fixture(autouse=True)
def servers(lab: Lab) -> None:
    lab.fwhelpers("register")
    start_nfs(lab)
    start_ftp(lab)


def all_works(lab: Lab) -> None:
    for mountproto in ("udp", "tcp"):
        result = mount(lab, mountproto)
        assert result.returncode == 0, result.stderr
        umount(lab)
    for way, family in (("EPSV", 4), ("PORT", 4), ("EPRT", 6)):
        result = download(lab, way, family)
        assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("steering", ["rules", "helper"])
def test_foreign_assignment(lab: Lab, steering: str) -> None:
    lab.nft(FOREIGN)
    lab.start_fwhelpers(
        f'[daemon]\nsteering = "{steering}"\n[helpers.rpc]\n{NOBODY}[helpers.ftp]\n{NOBODY}'
    )
    all_works(lab)
    lab.nft("delete table inet theirs")


def test_helper_steering_and_its_end(lab: Lab) -> None:
    daemon = lab.start_fwhelpers('[daemon]\nsteering = "helper"\n[helpers.rpc]\n[helpers.ftp]\n')
    all_works(lab)
    # an enabled helper without listener blocks its port: the workers must disable it when they are orphaned
    daemon.kill()
    wait_until(lambda: queues(lab) == [], "the workers have gone")
    lab.nft(FOREIGN)
    assert greets(lab)
    lab.nft("delete table inet theirs")


def test_limits(lab: Lab) -> None:
    lab.start_fwhelpers('[helpers.ftp]\nsources = ["10.0.1.3"]\nfamilies = [4]\n')
    assert download(lab, "PASV", 4, client="c2").returncode == 0
    assert download(lab, "PASV", 4, timeout=15).returncode != 0
    assert download(lab, "EPSV", 6, client="c2", timeout=15).returncode != 0


def test_done_flow_leaves_the_queue(lab: Lab) -> None:
    lab.start_fwhelpers("[helpers.ftp]\n")
    # not FTP: given up at once, and what follows never leaves the kernel
    talk = peer(lab, "c", "ftp_client", "10.0.2.2", "GET / HTTP/1.1;" + ";".join(["NOOP"] * 20))
    talk.wait_line("^end")
    listed = lab.run("g", "nft", "list", "chain", "inet", "fwhelpers", "steer-tcp").stdout
    queued = int(listed.split("counter packets ")[1].split()[0])
    assert queued <= 4, listed
