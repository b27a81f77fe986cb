"""The candidates: each brings its helpers up on the lab's gateway and takes them down again.

`no helper` and `netfilterqueue` open nothing, so the firewall lets everything pass for them: the load must be able to
run, and what they cost is the network's part and the queue's part.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab import conntrackd
from lab.process import Process, wait_until
from lab.topology import FWHELPERS, PATIENCE, Lab

#: the guard's rate limit must not be what the benchmark measures
_CONFIG = """
[daemon]
workers = {workers}
[helpers.rpc.guard]
rate = 1000
max_per_source = 1024
[helpers.ftp.guard]
rate = 1000
max_per_source = 1024
[helpers.tftp.guard]
rate = 1000
max_per_source = 1024
[helpers.ssdp.guard]
rate = 1000
max_per_source = 1024
[helpers.sip.guard]
rate = 1000
max_per_source = 1024
[helpers.rtsp]
"""
_COMPILED = Path(__file__).parents[1] / "build/compiled"  #: made by tools/compile
_KERNEL_MODULES = {"ftp": ("tcp", 21), "tftp": ("udp", 69), "sip": ("udp", 5060)}
_OPEN = "insert rule inet firewall forward accept"
_QUEUE = """
table inet bench {
    chain postrouting {
        type filter hook postrouting priority 290
        meta l4proto { tcp, udp } th dport { 21, 69, 111, 554, 1900, 5060 } queue num 100
        meta l4proto { tcp, udp } th sport { 21, 69, 111, 554, 1900, 5060 } queue num 100
    }
}
"""


@dataclass(frozen=True)
class Candidate:
    """One way to help, and the loads that it can take."""

    start: Callable[
        [Lab], AbstractContextManager[list[int]]
    ]  #: yields the process ids of its processes
    loads: frozenset[str]
    opens: bool = True  #: it makes expectations


@contextmanager
def no_helper(lab: Lab) -> Iterator[list[int]]:
    with _open_firewall(lab):
        yield []


@contextmanager
def netfilterqueue(lab: Lab) -> Iterator[list[int]]:
    """Receive and accept every packet of the control ports with the C extension; nothing is parsed."""
    program = str(Path(__file__).with_name("accept_all.py"))
    with _open_firewall(lab):
        process = lab.popen("g", sys.executable, program, "100")
        process.wait_line("ready")
        lab.nft(_QUEUE)
        yield [process.pid]
        lab.nft("delete table inet bench")
        process.stop()


@contextmanager
def reference(lab: Lab) -> Iterator[list[int]]:
    helpers = [
        conntrackd.Assignment("rpc", "udp", 111),
        conntrackd.Assignment("ftp", "tcp", 21),
        conntrackd.Assignment("tftp", "udp", 69),
        conntrackd.Assignment("ssdp", "udp", 1900),
    ]
    before = len(lab.cleanups)
    conntrackd.start(lab, helpers)
    yield [_last(lab).pid]
    while len(lab.cleanups) > before:
        lab.cleanups.pop()()


@contextmanager
def kernel(lab: Lab) -> Iterator[list[int]]:
    modules = [f"nf_conntrack_{name}" for name in _KERNEL_MODULES]
    lab.run("g", "modprobe", "-a", *modules)
    objects = "".join(
        f'ct helper {name} {{ type "{name}" protocol {l4}; }}\n'
        for name, (l4, _) in _KERNEL_MODULES.items()
    )
    rules = "".join(
        f'{l4} dport {port} ct helper set "{name}"\n'
        for name, (l4, port) in _KERNEL_MODULES.items()
    )
    chain = f"chain assign {{ type filter hook prerouting priority -150\n{rules}\n}}"
    lab.nft(f"table inet bench {{ {objects}\n{chain}\n}}")
    yield []
    lab.nft("delete table inet bench")
    # their names would be in the others' way; the references go a moment after the table
    wait_until(lambda: not lab.run("g", "rmmod", *modules, check=False).returncode, "rmmod")


def fwhelpers(
    workers: int, compiled: bool = False
) -> Callable[[Lab], AbstractContextManager[list[int]]]:
    """The service with so many workers, interpreted or compiled."""

    @contextmanager
    def start(lab: Lab) -> Iterator[list[int]]:
        config = lab.config(_CONFIG.format(workers=workers))
        # the installed modules are the source tree's
        modules = {"PYTHONPATH": str(_COMPILED), "PYTHONSAFEPATH": "1"} if compiled else {}
        argv = (*FWHELPERS, "run", "--config", config)
        service = lab.popen("g", *argv, name="fwhelpers", env={**os.environ, **modules})
        service.wait_line(r"^fwhelpers: ready", PATIENCE)
        yield [service.pid, *_children(service.pid)]
        service.stop()
        lab.fwhelpers("unregister")

    return start


@contextmanager
def _open_firewall(lab: Lab) -> Iterator[None]:
    lab.nft(_OPEN)
    yield
    listing = lab.run("g", "nft", "-a", "list", "chain", "inet", "firewall", "forward").stdout
    rule = next(line for line in listing.splitlines() if line.strip().startswith("accept # handle"))
    lab.nft(f"delete rule inet firewall forward handle {rule.rsplit(' ', 1)[1]}")


def _last(lab: Lab) -> Process:
    return lab.namespaces["g"].processes[-1]


def _children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task")
    listings = [(task / "children").read_text() for task in tasks.iterdir()]
    return [int(child) for listing in listings for child in listing.split()]


_RPC = {"rpc-same", "rpc-sockets", "rpc-latency", "rpc-ports"}
_ALL = frozenset({*_RPC, "ftp", "ftp-epsv", "tftp", "ssdp", "bulk", "flood", "sip", "rtsp"})

CANDIDATES = {
    "no helper": Candidate(no_helper, _ALL, opens=False),
    "netfilterqueue": Candidate(netfilterqueue, _ALL, opens=False),
    # its ftp helper makes no expectation of a 229 (conntrack-tools 1.4.7)
    "conntrackd": Candidate(reference, _ALL - {"ftp-epsv", "sip", "rtsp"}),
    "kernel": Candidate(kernel, frozenset({"ftp", "ftp-epsv", "tftp", "bulk", "sip"})),
    "fwhelpers 1": Candidate(fwhelpers(1), _ALL),
    "fwhelpers 2": Candidate(fwhelpers(2), _ALL),
    "compiled 1": Candidate(fwhelpers(1, compiled=True), _ALL),
    "compiled 2": Candidate(fwhelpers(2, compiled=True), _ALL),
}
