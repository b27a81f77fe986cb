"""Amanda's own programs with `bsd` authentication: dumper fetches a disk from another host's amandad and sendbackup.

planner, driver and taper have no part in what is tested, and are played by amanda_peer.py.
"""

from __future__ import annotations

import sys

import pytest
from lab import PROGRAMS
from lab.process import Process
from lab.topology import CLIENT, INNER, OUTER, SERVER, Lab

PEER = str(PROGRAMS / "amanda_peer.py")
AMANDA = "[helpers.amanda]\n"
kinds = pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=pytest.mark.nat(kind)) for kind in ("none", "snat", "dnat", "both")],
)
FILE = 288_894  #: bytes that `seq 50000` writes

OPEN = "insert rule inet firewall forward ct state new udp dport 10080 accept\n"
DNAT = """
table inet nat {
    chain amanda {
        type nat hook prerouting priority dstnat + 1;
        iifname "lan" ip daddr 10.0.1.1 udp dport 10080 dnat ip to 10.0.2.2
        iifname "lan" ip6 daddr fd01::1 udp dport 10080 dnat ip6 to fd02::2
    }
}
"""
# amandad believes only in hosts whose addresses and names lead to each other, and in files of its own user's
_FILES = """
set -e
for directory in /etc/amanda /var/lib/amanda /var/log/amanda; do
    mkdir -p $directory  # the virtual machine has a /var/log of its own
    mount -t tmpfs -o mode=700,uid=backup,gid=backup tmpfs $directory
done
mountpoint -q /dev/shm || mount -t tmpfs tmpfs /dev/shm
chmod 755 /run /srv
printf '%s\\n' "$1" >/run/hosts
mount --bind /run/hosts /etc/hosts
printf '%s backup amdump\\n' c g >/run/amandahosts
chmod 600 /run/amandahosts
chown backup /run/amandahosts
mount --bind /run/amandahosts /etc/amandahosts
mkdir -p /etc/amanda/lab /var/lib/amanda/gnutar-lists
printf '%s\\n' 'org "lab"' 'dumpuser "backup"' 'logdir "/var/log/amanda"' >/etc/amanda/lab/amanda.conf
mkdir -p /srv/disk
seq 50000 >/srv/disk/file
chown -R backup:backup /etc/amanda /var/lib/amanda /srv/disk
# a connection that the firewall drops shall not be tried for two minutes
sysctl -qw net.ipv4.tcp_syn_retries=1
"""


def prepare(lab: Lab) -> None:
    """Open the control port, give both ends their files, start amandad."""
    open_port(lab)
    own = {"c": CLIENT[4], "s": SERVER[4], "g": OUTER[4]}
    for end, names in (("c", {**own, "s": lab.target()}), ("s", own)):
        hosts = {"localhost": "127.0.0.1", **names}
        lines = "\n".join(f"{address} {name}" for name, address in hosts.items())
        lab.run(end, "sh", "-c", _FILES, "sh", lines)
    lab.popen("s", sys.executable, PEER, "inetd", SERVER[4], name="amandad")
    lab.namespaces["s"].wait_listening("udp", 10080, 4)


def open_port(lab: Lab) -> None:
    lab.nft(OPEN + (DNAT if lab.nat in ("dnat", "both") else ""))


def dump(lab: Lab) -> Process:
    return lab.popen("c", sys.executable, PEER, "dump", "s", name="dumper")


def expectations(lab: Lab) -> list[str]:
    return lab.run("g", "conntrack", "-L", "expect").stdout.splitlines()


def test_without_the_helper_the_streams_are_dropped(lab: Lab) -> None:
    prepare(lab)
    dump(lab).wait_line("^dumper: .*could not connect DATA stream")
    assert lab.dropped()


@kinds
def test_a_disk_is_fetched(lab: Lab, kind: str) -> None:
    prepare(lab)
    daemon = lab.start_fwhelpers(AMANDA)
    dumper = dump(lab)
    dumper.wait_line("^dumper: DONE")
    assert int(dumper.wait_line(r"^data (\d+)$").group(1)) > FILE
    assert expectations(lab) == []  # each served once: data, messages, index and state
    assert lab.dropped() == 0
    assert not [line for line in daemon.lines if "refused" in line or "failed" in line]


@kinds
def test_ipv6(lab: Lab, kind: str) -> None:
    open_port(lab)
    lab.popen("s", sys.executable, PEER, "answer", SERVER[6], name="amandad")
    lab.namespaces["s"].wait_listening("udp", 10080, 6)
    lab.start_fwhelpers(AMANDA)
    fetching = lab.popen("c", sys.executable, PEER, "fetch", lab.target(6), name="fetch")
    assert fetching.wait(90) == 0
    assert fetching.lines[1:] == [f"stream {x} is {x}" for x in ("DATA", "MESG", "INDEX", "STATE")]
    assert (expectations(lab), lab.dropped()) == ([], 0)


@pytest.mark.nat("dnat")
def test_what_is_announced_opens_once_and_not_for_long(lab: Lab) -> None:
    prepare(lab)
    lab.start_fwhelpers(AMANDA)
    asking = lab.popen("c", sys.executable, PEER, "ask", INNER[4], name="ask")
    ports_line = asking.wait_line(
        r"^told CONNECT DATA (\d+) MESG (\d+) INDEX (\d+) STATE (\d+)$", 90
    )
    expected = [line for line in expectations(lab) if f"dst={INNER[4]} " in line]
    assert {
        port for line in expected for port in ports_line.groups() if f"dport={port} " in line
    } == set(ports_line.groups())
    assert len(expected) == 4
    assert all(0 < int(line.split()[0]) <= 60 for line in expected)
    assert connects(lab, ports_line.group(1))
    assert not connects(lab, ports_line.group(1))


def connects(lab: Lab, port: str) -> bool:
    code = f"import socket; socket.create_connection(('{INNER[4]}', {port}), 60)"
    return lab.run("c", sys.executable, "-c", code, check=False).returncode == 0
