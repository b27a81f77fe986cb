"""The lab proves itself: nothing works without a helper, and with the kernel's and conntrackd's it does."""

from __future__ import annotations

import sys
from pathlib import Path

import clients
import pytest
import servers
from lab import Lab
from process import wait_until

KERNEL_FTP = """
table inet kernelhelper {
    ct helper ftp4 {
        type "ftp" protocol tcp
    }
    chain assign {
        type filter hook prerouting priority -150
        tcp dport 21 ct helper set "ftp4"
    }
}
"""

CONNTRACKD = """
Helper {
    Setup yes
    Type rpc inet udp {
        QueueNum 1
        QueueLen 1024
        Policy rpc {
            ExpectMax 1
            ExpectTimeout 300
        }
    }
    Type rpc inet tcp {
        QueueNum 2
        QueueLen 1024
        Policy rpc {
            ExpectMax 1
            ExpectTimeout 300
        }
    }
}
General {
    LockFile /run/lab/conntrackd.lock
    LogFile off
    Syslog off
    UNIX {
        Path /run/lab/conntrackd.ctl
    }
}
"""

CONNTRACKD_RULES = """
table inet reference {
    ct helper rpc-udp {
        type "rpc" protocol udp
        l3proto ip
    }
    ct helper rpc-tcp {
        type "rpc" protocol tcp
        l3proto ip
    }
    chain assign {
        type filter hook prerouting priority -150
        udp dport 111 ct helper set "rpc-udp"
        tcp dport 111 ct helper set "rpc-tcp"
    }
}
"""

# it leaves them behind; they belong to the machine, not to the namespace, and would be in the way of the next test
REMOVE_HELPERS = """
from fwhelpers.kernel import cthelper
from fwhelpers.kernel.socket import NetlinkSocket
netlink = NetlinkSocket()
for payload in list(netlink.dump(cthelper.encode_dump())):
    netlink.request(cthelper.encode_delete(cthelper.parse_helper(payload)))
"""


def test_without_a_helper_no_mount(lab: Lab) -> None:
    servers.start_nfs(lab)
    before = lab.dropped()
    mounts = clients.together(
        *(lab.namespaces[c].enter(*clients.mount_command(lab, proto))
          for c, proto in (("c", "udp"), ("c2", "tcp"))),
        timeout=12,
    )  # fmt: skip
    assert all(done.returncode != 0 for done in mounts)
    assert lab.dropped() > before


def test_without_a_helper_no_transfer(lab: Lab) -> None:
    servers.start_ftp(lab)
    before = lab.dropped()
    commands = [
        lab.namespaces["c"].enter(*clients.curl_command(lab, way, family, "hello", timeout=8))
        for way, family in clients.FTP_CASES
    ]
    done = clients.together(*commands, timeout=40)
    assert all(d.returncode != 0 and not d.stdout for d in done)
    # but the control connection worked
    assert all("230 Login successful" in d.stderr for d in done)
    assert lab.dropped() >= before + len(commands)


@pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=pytest.mark.nat(kind)) for kind in ("none", "snat", "dnat", "both")],
)
def test_with_the_kernels_helper_ftp_works(lab: Lab, kind: str) -> None:
    servers.start_ftp(lab)
    lab.run("g", "modprobe", "-a", "nf_conntrack_ftp", "nf_nat_ftp")
    lab.nft(KERNEL_FTP)
    for way, family in clients.FTP_CASES:
        down = clients.download(lab, way, family)
        assert down.stdout == "served by ftp\n", f"{way}{family}: {down.stderr}"
        name = f"pub/{way}{family}"
        up = clients.upload(lab, way, family, name, f"sent by {way}")
        assert up.returncode == 0, up.stderr
        assert clients.served(lab, f"/srv/ftp/{name}") == f"sent by {way}"


def test_with_conntrackds_helper_nfs_works(lab: Lab) -> None:
    """The reference: what conntrack shows with conntrackd is what it has to show with us."""
    servers.start_nfs(lab)
    lab.cleanups.append(lambda: lab.run("g", sys.executable, "-c", REMOVE_HELPERS))
    start_conntrackd(lab)
    events = lab.popen("g", "conntrack", "-E", "expect")
    for proto in ("udp", "tcp"):
        done = clients.mount(lab, proto)
        assert done.returncode == 0, done.stderr
        assert clients.read(lab) == "written by the server\n"
        clients.umount(lab)
    mountd = servers.ports(lab, "mountd")
    for number, port in ((6, 2049), (17, mountd["udp"]), (6, mountd["tcp"])):
        line = events.wait_line(rf"\[NEW\] 300 proto={number} .* sport=0 dport={port} ").string
        print(line)
        assert line.endswith("PERMANENT class=0 helper=rpc")
    lab.nft("delete table inet reference")


def start_conntrackd(lab: Lab) -> None:
    """Both transports of its rpc helper, assigned and in force."""
    gateway = lab.namespaces["g"]
    gateway.path("/run/lab/conntrackd.conf").write_text(CONNTRACKD)
    gateway.popen("conntrackd", "-C", "/run/lab/conntrackd.conf")
    queues = Path(f"/proc/{gateway.pid}/net/netfilter/nfnetlink_queue")
    wait_until(lambda: queues.exists() and len(queues.read_text().splitlines()) == 2, "its queues")
    lab.nft(CONNTRACKD_RULES)


def test_two_clients_and_the_gateway_reach_the_server(lab: Lab) -> None:
    servers.start_ftp(lab)
    for client in ("c", "c2"):
        for family in (4, 6):
            lab.run(
                client,
                "curl",
                "-sS",
                "-m",
                "20",
                "-Q",
                "NOOP",
                "-I",
                f"ftp://{_host(lab, family)}/",
            )
    assert not lab.ping("c", lab.target()), "the firewall lets only the control ports through"


def _host(lab: Lab, family: int) -> str:
    return f"[{lab.target(6)}]" if family == 6 else lab.target(4)
