"""The same traffic with each helper that supports it, and the expectations that the kernel reports.

A `Case` is a protocol with its servers and its announcements. `observe` runs them with one candidate (conntrackd's
helper, the kernel's, ours) and returns the events of `conntrack -E expect`. Ports that change from run to run are
replaced by words, so that the result is reproducible and docs/comparison.md can contain it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from lab import conntrackd
from lab.process import wait_until
from lab.topology import CLIENT, CLIENT2, INNER, OUTER, SERVER, Lab

CANDIDATES = ("conntrackd", "kernel", "fwhelpers")

_LINE = re.compile(
    r"\[NEW\] (?P<timeout>\d+) proto=(?P<l4>\d+) src=(?P<src>\S+) dst=(?P<dst>\S+) "
    r"sport=(?P<sport>\d+) dport=(?P<dport>\d+) mask-src=(?P<mask>\S+) mask-dst=\S+ "
    r"sport=(?P<smask>\d+) dport=\d+ .*?(?P<flags>(?:[A-Z]+ )*)class=(?P<klass>\d+) helper="
)
_PEOPLE = {"client": CLIENT, "second client": CLIENT2, "server": SERVER}
_GATEWAY = {*INNER.values(), *OUTER.values()}
_LINKS = {
    ("10.0.1.0", "255.255.255.0"): "the link",
    ("fd01::", "ffff:ffff:ffff:ffff::"): "the link",
    ("fe80::", "ffc0::"): "the link",
}
_L4 = {"6": "tcp", "17": "udp"}


class Expectation(NamedTuple):
    l4: str
    source: str
    sport: str
    destination: str
    dport: str
    timeout: str
    uses: str
    klass: str

    def __str__(self) -> str:
        ends = f"{self.source}:{self.sport} → {self.destination}:{self.dport}"
        return f"{self.l4} {ends}, {self.timeout}, {self.uses}, {self.klass}"


@dataclass(frozen=True)
class Observation:
    works: bool
    expectations: tuple[Expectation, ...]

    def __str__(self) -> str:
        expectations = "<br>".join(map(str, self.expectations)) or "no expectation"
        return expectations + ("" if self.works else "<br>**the connection fails**")


@dataclass(frozen=True)
class Case:
    """A protocol: its servers, its announcements, and the candidates that support it."""

    name: str
    start: Callable[[Lab], object]
    steps: Sequence[
        tuple[str, Callable[[Lab], bool]]
    ]  #: title, traffic that returns whether it worked
    firewall: str = ""  #: rules that let the control connection pass
    conntrackd: Sequence[conntrackd.Assignment] = ()
    kernel: Sequence[conntrackd.Assignment] = ()
    modules: Sequence[str] = ()  #: of the kernel's helper
    config: str = ""  #: ours
    nat: str = "none"
    fixed: frozenset[int] = field(default_factory=frozenset)  #: ports that are always the same

    @property
    def candidates(self) -> tuple[str, ...]:
        has = {"conntrackd": self.conntrackd, "kernel": self.kernel, "fwhelpers": self.config}
        return tuple(name for name in CANDIDATES if has[name])


class Watch:
    """`conntrack -E expect` on the gateway; `take` waits until it has printed all events."""

    def __init__(self, lab: Lab) -> None:
        self._gateway = lab.namespaces["g"]
        self._file = self._gateway.path("/run/lab/expectations")
        self._process = lab.popen(
            "g", "sh", "-c", "exec conntrack -E expect > /run/lab/expectations"
        )
        wait_until(lambda: self._row() is not None, "conntrack -E expect to listen")
        self._position = 0

    def _row(self) -> list[str] | None:
        return self._gateway.event_socket(self._process.pid)

    def _idle(self) -> bool:
        # The kernel queues an event before the packet continues. All events are printed once the queue is empty and the
        # process sleeps again.
        row = self._row()
        state = Path(f"/proc/{self._process.pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        return row is not None and int(row[4]) == 0 and state == "S"

    def take(self) -> list[str]:
        """Return the lines since the last call."""
        wait_until(self._idle, "conntrack -E expect to print all events")
        lines = self._file.read_text().splitlines()
        self._position, start = len(lines), self._position
        return lines[start:]

    def stop(self) -> None:
        self._process.stop()


def observe(lab: Lab, case: Case, candidate: str) -> dict[str, Observation]:
    observations = {}
    with _RUNNING[candidate](lab, case):
        watch = Watch(lab)
        for title, step in case.steps:
            lab.run("g", "conntrack", "-F", check=False)
            works = step(lab)
            observations[title] = Observation(
                works, tuple(dict.fromkeys(expectations(watch.take(), case.fixed)))
            )
        watch.stop()
    return observations


def expectations(
    lines: Sequence[str], fixed: frozenset[int] = frozenset()
) -> Iterator[Expectation]:
    """Parse lines of conntrack."""
    for line in lines:
        match = _LINE.search(line)
        if match is None:
            continue
        any_port = match["smask"] == "0"
        yield Expectation(
            l4=_L4.get(match["l4"], match["l4"]),
            source=_who(match["src"], match["mask"]),
            sport="any" if any_port else _port(match["sport"], fixed),
            destination=_who(match["dst"]),
            dport=_port(match["dport"], fixed),
            timeout=f"{_rounded(int(match['timeout']))} s",
            uses="many" if "PERMANENT" in match["flags"] else "one",
            klass=f"class {match['klass']}",
        )


def _rounded(seconds: int) -> int:
    # a second may have passed already: 60 and 59 are the same, and so are 6 and 5
    return -(-(seconds - 1) // 5) * 5


def _who(address: str, mask: str = "") -> str:
    if mask and not mask.strip("0.:"):
        return "anybody"
    if mask and mask not in ("255.255.255.255", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"):
        return _LINKS.get((address, mask), f"{address}/{mask}")
    if address in _GATEWAY or address.startswith("fe80:"):  # nobody else asks from there
        return "gateway"
    return next((name for name, both in _PEOPLE.items() if address in both.values()), address)


def _port(port: str, fixed: frozenset[int]) -> str:
    return port if int(port) in fixed else "announced"


@contextmanager
def _conntrackd(lab: Lab, case: Case) -> Iterator[None]:
    for module in reversed(case.modules):  # the kernel's helper has the same name
        lab.run("g", "rmmod", module, check=False)
    before = len(lab.cleanups)
    conntrackd.start(lab, list(case.conntrackd))
    yield
    while len(lab.cleanups) > before:
        lab.cleanups.pop()()


@contextmanager
def _kernel(lab: Lab, case: Case) -> Iterator[None]:
    lab.run("g", "modprobe", "-a", *case.modules)
    lab.nft(conntrackd.rules(case.kernel))
    yield
    lab.nft(f"delete table inet {conntrackd.TABLE}")


@contextmanager
def _fwhelpers(lab: Lab, case: Case) -> Iterator[None]:
    daemon = lab.start_fwhelpers(case.config)
    yield
    daemon.stop()
    lab.fwhelpers("unregister")


_RUNNING = {"conntrackd": _conntrackd, "kernel": _kernel, "fwhelpers": _fwhelpers}
