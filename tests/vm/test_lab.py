"""The lab proves itself: nothing works without a helper, and with the kernel's and conntrackd's it does."""

from __future__ import annotations

import pytest
from lab import clients, conntrackd, servers
from lab.topology import Lab

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


def test_without_a_helper_no_mount(lab: Lab) -> None:
    servers.start_nfs(lab)
    before = lab.dropped()
    mounts = clients.together(
        *(lab.namespaces[c].enter(*clients.mount_command(lab, proto))
          for c, proto in (("c", "udp"), ("c2", "tcp"))),
        timeout=20,
    )  # fmt: skip
    assert all(done.returncode != 0 for done in mounts)
    assert lab.dropped() > before


def test_without_a_helper_no_transfer(lab: Lab) -> None:
    servers.start_ftp(lab)
    before = lab.dropped()
    commands = [
        lab.namespaces["c"].enter(*clients.curl_command(lab, way, family, "hello", timeout=20))
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
    conntrackd.start(lab, conntrackd.RPC)
    events = lab.popen("g", "conntrack", "-E", "expect")
    for proto in ("udp", "tcp"):
        assert _mounts(lab, proto) == "written by the server\n"
    mountd = servers.ports(lab, "mountd")
    for number, port in ((6, 2049), (17, mountd["udp"]), (6, mountd["tcp"])):
        line = events.wait_line(
            rf"\[NEW\] (?:299|300) proto={number} .* sport=0 dport={port} "
        ).string
        print(line)
        assert line.endswith("PERMANENT class=0 helper=rpc")


def _mounts(lab: Lab, proto: str) -> str:
    """What is read from the mount; the reference does not always make it at the first attempt."""
    for attempt in (1, 2, 3):
        done = clients.mount(lab, proto, timeout=60)
        if done.returncode == 0:
            text = clients.read(lab)
            clients.umount(lab)
            return text
        print(f"attempt {attempt}: {proto}: {done.stderr}")
        clients.umount(lab)
    return "never mounted"


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
