"""FTP with a second server, whose replies, ports and aborts differ from vsftpd's."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from lab import PROGRAMS
from lab.clients import FTP_CASES, download, lftp
from lab.process import Process
from lab.servers import start_pure_ftpd
from lab.topology import Lab

ABORT = (sys.executable, str(PROGRAMS / "ftp_abort.py"))
BIG = 8_000_000  #: more than the sockets' buffers hold


class Server:
    """A lab with pure-ftpd behind the daemon."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        start_pure_ftpd(lab)
        lab.run("s", "sh", "-c", f"head -c {BIG} /dev/zero > /srv/ftp/pub/big")
        self.daemon: Process = lab.start_fwhelpers("[helpers.ftp]\n")


@pytest.fixture(scope="module", params=["none", "both"])
def pure_ftpd(request: pytest.FixtureRequest) -> Iterator[Server]:
    with Lab(nat=request.param) as lab:
        yield Server(lab)


@pytest.mark.parametrize(("way", "family"), FTP_CASES)
def test_every_way_to_negotiate(pure_ftpd: Server, way: str, family: int) -> None:
    done = download(pure_ftpd.lab, way, family)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "served by ftp\n"


@pytest.mark.parametrize("mode", ["passive", "active"])
def test_lftp_sends_commands_without_waiting(pure_ftpd: Server, mode: str) -> None:
    done = lftp(pure_ftpd.lab, mode, "cat hello; cat hello", 4)
    assert done.returncode == 0, done.stderr
    assert done.stdout == 2 * "served by ftp\n"


@pytest.mark.parametrize("mode", ["passive", "active"])
def test_transfers_follow_an_abort(pure_ftpd: Server, mode: str) -> None:
    lab = pure_ftpd.lab
    done = lab.run("c", *ABORT, lab.target(), mode, "2", check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("line served by ftp") == 2


def test_nothing_was_dropped_refused_or_given_up(pure_ftpd: Server) -> None:
    assert pure_ftpd.lab.dropped() == 0
    words = ("refused", "failed", "poisoned", "Traceback")
    assert not [line for line in pure_ftpd.daemon.lines if any(word in line for word in words)]
