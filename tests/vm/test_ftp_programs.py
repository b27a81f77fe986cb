"""FTP with lftp, Python's ftplib and HylaFAX, which pipeline, abort, and speak it at another port."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from lab import PROGRAMS
from lab.clients import faxstat, lftp
from lab.process import Process
from lab.servers import start_fax, start_ftp
from lab.topology import Lab

FTP = "[helpers.ftp]\nports = [21, 4559]\n"
ABORT = (sys.executable, str(PROGRAMS / "ftp_abort.py"))
#: more than the sockets' buffers hold
BIG = 8_000_000
MODES = ("passive", "active")


class Servers:
    """A lab with vsftpd and hfaxd behind the daemon."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        start_ftp(lab)
        start_fax(lab)
        lab.run("s", "sh", "-c", f"head -c {BIG} /dev/zero > /srv/ftp/pub/big")
        lab.run(
            "s", "sh", "-c", "mkdir -p /srv/ftp/tree/a/b && cp /srv/ftp/hello /srv/ftp/tree/a/b"
        )
        self.daemon: Process = lab.start_fwhelpers(FTP)


@pytest.fixture(scope="module", params=["none", "both"])
def servers(request: pytest.FixtureRequest) -> Iterator[Servers]:
    with Lab(nat=request.param) as lab:
        yield Servers(lab)


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("mode", MODES)
def test_lftp_sends_commands_without_waiting(servers: Servers, mode: str, family: int) -> None:
    folder = f"/run/lab/{mode}{family}"
    done = lftp(servers.lab, mode, f"cat hello; mirror /tree {folder}", family)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("served by ftp\n")
    copied = servers.lab.run("c", "cat", f"{folder}/a/b/hello").stdout
    assert copied == "served by ftp\n"


@pytest.mark.parametrize("mode", MODES)
def test_transfers_follow_an_abort(servers: Servers, mode: str) -> None:
    """vsftpd replies twice, and the LF of ABOR is urgent data."""
    target = servers.lab.target()
    done = servers.lab.run("c", *ABORT, target, mode, "3", check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("line served by ftp") == 3
    assert "reply 225" in done.stdout, "the surplus reply"


@pytest.mark.parametrize("mode", MODES)
def test_hylafax(servers: Servers, mode: str) -> None:
    done = faxstat(servers.lab, mode)
    dialogue = done.stdout + done.stderr
    assert done.returncode == 0, dialogue
    assert dialogue.count("226 Transfer complete") == 2


def test_nothing_was_dropped_refused_or_given_up(servers: Servers) -> None:
    assert servers.lab.dropped() == 0
    words = ("refused", "failed", "poisoned", "Traceback")
    assert not [line for line in servers.daemon.lines if any(word in line for word in words)]
