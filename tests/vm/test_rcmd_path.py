"""rsh with rsh-redone, rexec of the C library with netkit's server, through the gateway: standard error comes back."""

from __future__ import annotations

import sys

import pytest
from lab import PROGRAMS
from lab.process import Process, wait_until
from lab.releases import why_absent
from lab.rexec import rexec, start_rexecd
from lab.topology import CLIENT, OUTER, Lab

RSH = "[daemon]\nworkers = 1\n[helpers.rsh]\n"
ALLOWED = f"{RSH}privileged = true\n"
REXEC = "[daemon]\nworkers = 1\n[helpers.rexec]\n"
# another home directory of root's: the checkout may be in the usual one
HOME = """
mkdir -m 700 /run/home
awk -F: -v OFS=: '$1 == "root" { $6 = "/run/home" } 1' /etc/passwd >/run/passwd
mount --bind /run/passwd /etc/passwd
"""
INETD = str(PROGRAMS / "inetd.py")
pytestmark = pytest.mark.skipif(bool(why := why_absent("rsh-redone-rsh")), reason=why)


def start_server(lab: Lab) -> Process:
    lab.open("tcp", 514)
    space = lab.namespaces["s"]
    space.run("sh", "-c", HOME)
    rhosts = space.path("/run/home/.rhosts")
    hosts = [*CLIENT.values(), *OUTER.values()]
    rhosts.write_text("".join(f"{host} root\n" for host in hosts))
    rhosts.chmod(0o600)
    server = lab.popen("s", sys.executable, INETD, "::", "514", "/usr/sbin/in.rshd", name="rshd")
    server.wait_line("^listening$")
    return server


def rsh(lab: Lab, family: int = 4) -> Process:
    command = "echo out; echo err >&2"
    return lab.popen("c", "rsh-redone-rsh", f"-{family}", lab.target(family), command, name="rsh")


@pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=pytest.mark.nat(kind)) for kind in ("none", "snat", "dnat")],
)
def test_programs_have_their_standard_error(lab: Lab, kind: str) -> None:
    start_server(lab)
    daemon = lab.start_fwhelpers(ALLOWED)
    events = lab.watch_expectations()
    for family in (4, 6):
        after = len(events.lines)
        client = rsh(lab, family)
        assert client.wait(120) == 0
        assert "out" in client.lines
        # the source is limited to the privileged ports of rresvport(3)
        line = events.wait_line(r"\[NEW\] .* helper=rsh$", after=after).string
        assert "sport=512 " in line
        assert "mask-dst" in line
        assert "sport=65024 dport=65535" in line
    assert lab.dropped() == 0
    assert not [line for line in daemon.lines if "refused" in line or "failed" in line]


@pytest.fixture
def rexecd(lab: Lab) -> None:
    start_rexecd(lab)


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=pytest.mark.nat(kind)) for kind in ("none", "snat")]
)
@pytest.mark.usefixtures("rexecd")
def test_rexec_has_its_standard_error(lab: Lab, kind: str) -> None:
    daemon = lab.start_fwhelpers(REXEC)
    events = lab.watch_expectations()
    client = rexec(lab)
    assert client.wait(120) == 0
    assert client.lines[0] == "out: out"
    assert client.lines[-1].split()[-1] == "err"  # the profile of the login shell may print before
    events.wait_line(r"\[NEW\] .* helper=rexec$")
    assert lab.dropped() == 0
    assert not [line for line in daemon.lines if "refused" in line or "failed" in line]


@pytest.mark.usefixtures("rexecd")
def test_rexec_without_the_helper_is_dropped(lab: Lab) -> None:
    client = rexec(lab)
    wait_until(lambda: lab.dropped() > 0, "the server's connection is dropped", 120)
    assert client.returncode is None
    client.stop()


def test_privileged_ports_stay_closed_without_consent(lab: Lab) -> None:
    start_server(lab)
    daemon = lab.start_fwhelpers(RSH)
    client = rsh(lab)
    daemon.wait_line(r"refused .*privileged = true in \[helpers.rsh\]")
    wait_until(lambda: lab.dropped() > 0, "the server's connection is dropped", 120)
    client.stop()
