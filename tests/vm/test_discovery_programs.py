"""Discovery with real programs: Samba, avahi, wsdd on c2; c asks. And rows that the configuration itself declares.

Debian 12's snmpd can't take part: it answers a broadcast request from the broadcast address, which fails. Debian 12 has
no slpd (openslp was removed) and no LocalSend, and KDE Connect wants a desktop: for these there are peers of the tests'
own (test_discovery_path.py). dig can't ask avahi: it takes answers from 224.0.0.251 alone.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from lab.discovery_requests import WSD
from lab.process import wait_until
from lab.topology import CLIENT2, Lab
from test_discovery_path import PEERS, Host

NMBD = """
[global]
netbios name = ANSWERER
workgroup = LAB
interfaces = 10.0.1.3/24
bind interfaces only = yes
lock directory = /run/samba
state directory = /run/samba
cache directory = /run/samba
pid directory = /run/samba
private dir = /run/samba
"""
AVAHI = """
[server]
host-name=answerer
allow-interfaces=eth0
enable-dbus=no
[wide-area]
enable-wide-area=no
[publish]
publish-workstation=no
"""
QUERY = b"\x12\x34\0\0\0\1\0\0\0\0\0\0\x08answerer\5local\0\0\1\0\1"

TOML = """
[helpers.mdns]
[helpers.netbios-ns]
[helpers.wsd]
[discovery.disks]
port = 7000
groups = ["239.1.2.3"]
broadcast = true
signature = ["0:4449534b"]
reply_port = "any"
window = 8
"""


@pytest.fixture(scope="module")
def bare() -> Iterator[Host]:
    with Lab() as lab:
        for ns in ("c", "c2"):
            lab.run(ns, "mkdir", "-p", "/run/samba")
            lab.namespaces[ns].path("/run/lab/smb.conf").write_text(NMBD)
        lab.namespaces["c2"].path("/run/lab/avahi.conf").write_text(AVAHI)
        host = Host(lab)
        lab.popen(
            "c2", "nmbd", "-F", "--no-process-group", "-s", "/run/lab/smb.conf", "--debug-stdout"
        )
        lab.popen("c2", "avahi-daemon", "--no-drop-root", "--no-chroot", "--no-rlimits",
                  "-f", "/run/lab/avahi.conf").wait_line("Server startup complete", 60)  # fmt: skip
        lab.popen("c2", "wsdd", "-4", "-i", "eth0", "-n", "ANSWERER", "-v").wait_line("joined", 60)
        wait_until(lambda: looked_up(lab, "c2"), "nmbd answers", 60)
        yield host


def looked_up(lab: Lab, ns: str) -> bool:
    """Does nmblookup get an answer to its broadcast? On c2 itself no firewall is in the way."""
    command = ("nmblookup", "-s", "/run/lab/smb.conf", "-B", "10.0.1.255", "ANSWERER")
    return f"{CLIENT2[4]} ANSWERER" in lab.run(ns, *command, check=False).stdout


def asked(host: Host, where: str, port: int, request: bytes, seconds: int = 20) -> str:
    words = ("4", where, str(port), "0", request.hex(), str(seconds))
    return host.lab.run("c", *PEERS, "ask", *words, timeout=seconds + 30).stdout.strip()


@pytest.fixture(scope="module")
def host(bare: Host) -> Host:
    assert not looked_up(bare.lab, "c"), "the firewall lets it through without help"
    assert asked(bare, "224.0.0.251", 5353, QUERY, 3) == "silence"
    bare.start_daemon(TOML)
    return bare


def test_nmblookup(host: Host) -> None:
    assert looked_up(host.lab, "c")


def test_avahi_answers_a_one_shot_question(host: Host) -> None:
    assert asked(host, "224.0.0.251", 5353, QUERY).startswith(f"answer {CLIENT2[4]} 5353")


def test_wsdd_answers_a_probe(host: Host) -> None:
    assert asked(host, "239.255.255.250", 3702, WSD).startswith(f"answer {CLIENT2[4]}")


@pytest.mark.parametrize("where", ["239.1.2.3", "10.0.1.255"])
def test_a_row_of_the_configuration(host: Host, where: str) -> None:
    spec = "4,239.1.2.3,7000" if where[0] == "2" else "4,,7000"
    answerer = host.lab.popen("c2", *PEERS, "answer", spec, name="disks")
    answerer.wait_line("^listening$")
    assert asked(host, where, 7000, b"DISK X-PORT: 7001").startswith(f"answer {CLIENT2[4]} 7001")
    assert asked(host, where, 7000, b"TAPE X-PORT: 7001", 3) == "silence"
    answerer.wait_line("^answered", after=len(answerer.lines) - 1)
    answerer.stop()


def test_nothing_failed_inside(host: Host) -> None:
    assert not [line for line in host.daemon.lines if "failed" in line or "Traceback" in line]
    assert not [line for line in host.daemon.lines if "refused" in line]
