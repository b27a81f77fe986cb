"""NFSv4.0 with the kernel's client and server through the gateway: the server's connection for callbacks."""

from __future__ import annotations

import pytest
from lab.clients import MOUNTPOINT
from lab.process import wait_until
from lab.servers import stop_nfs
from lab.topology import Lab

NFS4 = "[daemon]\nworkers = 1\n[helpers.nfs4cb]\n"
NONE = "[daemon]\nworkers = 1\n"

#: the grace period after a start only delays what is opened, and nothing is here
_SERVER = """
set -e
mkdir -p /srv/nfs /run/rpc_pipefs /var/lib/nfs/v4recovery
touch /var/lib/nfs/etab /var/lib/nfs/rmtab
mount -t nfsd nfsd /proc/fs/nfsd
exportfs -o rw,insecure,no_root_squash,no_subtree_check,fsid=0 '*:/srv/nfs'
rpc.nfsd --no-nfs-version 3 --nfs-version 4 2
"""


def start_server(lab: Lab) -> None:
    lab.open("tcp", 2049)
    server = lab.namespaces["s"]
    server.run("sh", "-c", _SERVER)
    lab.cleanups.append(lambda: stop_nfs(lab))
    server.popen("rpc.mountd", "--foreground", "--no-nfs-version", "3")
    server.wait_listening("tcp", 2049)


def mount(lab: Lab, family: int, version: str = "4.0") -> None:
    lab.cleanups.append(lambda: lab.run("c", "umount", "-f", MOUNTPOINT, check=False))
    host = f"[{lab.target(6)}]" if family == 6 else lab.target(4)
    proto = "tcp6" if family == 6 else "tcp"
    options = f"vers={version},proto={proto},soft,timeo=300,retry=0"
    lab.run("c", "mount", "-t", "nfs", "-o", options, f"{host}:/", MOUNTPOINT, timeout=170)


def callbacks(lab: Lab) -> list[str]:
    """Return the server's connections that do not come from its own port."""
    listed = lab.run("g", "conntrack", "-L", "-p", "tcp", check=False).stdout.splitlines()
    return [line for line in listed if "dport=2049" not in line and "ESTABLISHED" in line]


CASES = [
    pytest.param("none", 4, marks=pytest.mark.nat("none")),
    pytest.param("none", 6, marks=pytest.mark.nat("none")),
    pytest.param("snat", 4, marks=pytest.mark.nat("snat")),
]


@pytest.mark.parametrize(("kind", "family"), CASES)
def test_the_server_can_call_back(lab: Lab, kind: str, family: int) -> None:
    start_server(lab)
    daemon = lab.start_fwhelpers(NFS4)
    events = lab.watch_expectations()
    mount(lab, family)
    events.wait_line(r"\[NEW\] .* PERMANENT .*helper=nfs4cb$")
    wait_until(lambda: bool(callbacks(lab)), "the server's connection", 120)
    assert lab.dropped() == 0
    assert not [line for line in daemon.lines if "refused" in line or "failed" in line]


def test_without_the_helper_the_firewall_drops_it(lab: Lab) -> None:
    start_server(lab)
    lab.start_fwhelpers(NONE)
    mount(lab, 4)
    wait_until(lambda: lab.dropped() > 0, "the server's connection is dropped", 120)
    assert not callbacks(lab)
