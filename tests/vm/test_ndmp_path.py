"""NDMP with Amanda's ndmjob: a backup program that sends its own files to a tape server through the gateway."""

from __future__ import annotations

import re

import pytest
from lab.process import Process, wait_until
from lab.topology import CLIENT, SERVER, Lab

NDMP = "[daemon]\nworkers = 1\n[helpers.ndmp]\n"
NDMJOB = "/usr/lib/amanda/ndmjob"
TAPE = "/run/lab/tape"


def start_server(lab: Lab) -> None:
    """Start the tape server; a file is its tape."""
    lab.open("tcp", 10000)
    server = lab.namespaces["s"]
    server.path(TAPE).touch()
    server.popen(NDMJOB, "-o", "daemon", "-p", "10000")
    server.wait_listening("tcp", 10000)


def back_up(lab: Lab) -> Process:
    """Start a backup. The tape server listens (MOVER_LISTEN), and the data agent, which is resident, connects.

    Debian has no program that would write the data, so that the job ends without any.
    """
    agent = f"{lab.target()}/3m,ndmp,ndmp"  # version 3, MD5
    return lab.popen(
        *("c", NDMJOB, "-c", "-v", "-D", ".", "-T", agent, "-f", TAPE, "-B", "tar"),
        *("-o", "time-limit=20", "-C", "/run/lab", "."),
    )


def arrived(lab: Lab) -> bool:
    """Return whether the data connection has been established."""
    listed = lab.run("g", "conntrack", "-L", "-p", "tcp", check=False).stdout
    ends = f"src={re.escape(CLIENT[4])} dst={re.escape(SERVER[4])}"
    return re.search(rf"{ends} sport=\d+ dport=(?!10000 ).*\[ASSURED\]", listed) is not None


@pytest.mark.nat("snat")
def test_the_data_connection_is_let_in(lab: Lab) -> None:
    start_server(lab)
    daemon = lab.start_fwhelpers(NDMP)
    back_up(lab)
    wait_until(lambda: arrived(lab), "the data connection")
    assert lab.dropped() == 0
    assert not [line for line in daemon.lines if "refused" in line or "failed" in line]


def test_without_the_helper_it_is_dropped(lab: Lab) -> None:
    start_server(lab)
    back_up(lab)
    wait_until(lambda: lab.dropped() > 0, "the data connection is dropped")
    assert not arrived(lab)
