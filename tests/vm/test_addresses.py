"""An address that is added or removed under traffic changes who may answer a request to a group."""

from __future__ import annotations

import re
import sys

from lab import PROGRAMS
from lab.process import Process, wait_until
from lab.topology import FWHELPERS, Lab

SERVICE = (*FWHELPERS, "run", "--config")
SEARCHES = str(PROGRAMS / "searches.py")
LAN, ADDED = "10.0.1.0/24", "10.9.0.0/24"
LOG_LINE = re.compile(r"ssdp: \S+:(\d+) → .*: expecting .*udp (\S+) → ")


def last_search(daemon: Process) -> set[str]:
    """The prefixes that may answer the last search; the very last is left out, as its log may be incomplete."""
    prefixes: dict[str, set[str]] = {}
    for match in filter(None, map(LOG_LINE.search, daemon.lines)):
        prefixes.setdefault(match[1], set()).add(match[2])
    return list(prefixes.values())[-2] if len(prefixes) > 1 else set()


def test_answers_come_from_the_present_networks_of_the_link() -> None:
    with Lab() as lab:
        daemon = lab.start_fwhelpers("[helpers.ssdp]\n", "c")
        lab.popen("c", sys.executable, SEARCHES, "0.5", name="searches")
        wait_until(lambda: last_search(daemon) == {LAN}, "the link's only network may answer")
        for _ in range(3):
            lab.run("c", "ip", "address", "add", "10.9.0.2/24", "dev", "eth0")
            wait_until(lambda: last_search(daemon) == {LAN, ADDED}, "the added network may answer")
            lab.run("c", "ip", "address", "delete", "10.9.0.2/24", "dev", "eth0")
            wait_until(lambda: last_search(daemon) == {LAN}, "the removed network may not answer")


def test_without_pyroute2_the_service_works_and_on_link_helpers_refuse() -> None:
    with Lab() as lab:
        hidden = lab.namespaces["c"].path("/run/lab/hidden")
        hidden.mkdir()
        (hidden / "pyroute2.py").write_text("raise ImportError('not installed')\n")
        command = ["env", "PYTHONPATH=/run/lab/hidden", *SERVICE]
        daemon = lab.popen("c", *command, lab.config("[helpers.ssdp]\n", "c"), name="fwhelpers")
        daemon.wait_line("^fwhelpers: ready")
        daemon.wait_line("pyroute2 is missing")
        lab.popen("c", sys.executable, SEARCHES, "0.5", name="searches")
        daemon.wait_line("ssdp: .*refused.*no on-link prefix")
        assert last_search(daemon) == set()
