"""Two gateways that replicate expectations themselves, while conntrackd carries connections only."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from gateways_pair import make_certificate
from lab.gateways import GatewayPair
from lab.process import Process, wait_until
from lab.servers import start_ftp
from lab.topology import FWHELPERS
from test_failover import GATE, announce, client, finish

THIRD = "10.0.1.3"  #: another host of the client's, which PORT names
FTP = f'[helpers.ftp.guard]\naddresses = ["{THIRD}"]\n'
FOLDER = "/run/lab/replication"
OWN = {"g": "10.0.9.1", "h": "10.0.9.2"}
CONFIG = """
[replication]
listen = "{own}:3781"
peer = "{peer}:3781"
certificate = "{folder}/own.crt"
key = "{folder}/own.key"
peer_certificate = "{folder}/peer.crt"
"""


class ReplicatedPair(GatewayPair):
    """Runs the service and `fwhelpers replicate` on both gateways, and a conntrackd without ExpectationSync."""

    def start_services(self, toml: str, certificates: Path) -> dict[str, Process]:
        """Return the services."""
        for name in "gh":
            make_certificate(certificates / name)
        services = {}
        for name, other in ("gh", "hg"):
            folder = self.namespaces[name].path(FOLDER)
            folder.mkdir()
            for source, target in (("own.crt", "own.crt"), ("own.key", "own.key")):
                path = folder / target
                path.write_bytes((certificates / name / source).read_bytes())
                path.chmod(0o640)
            (folder / "peer.crt").write_bytes((certificates / other / "own.crt").read_bytes())
            text = CONFIG.format(own=OWN[name], peer=OWN[other], folder=FOLDER)
            services[name] = self.start_fwhelpers(toml + text, ns=name)
            self.start_replication(name)
        self.start_conntrackd(expectations=False)
        for name in "gh":
            self.wait_state(name, "connected", True)
        return services

    def start_replication(self, name: str) -> Process:
        """Start the replication of one gateway."""
        self.run(name, "mkdir", "-p", "/run/fwhelpers-replication")
        config = "/run/lab/fwhelpers"
        return self.popen(name, *FWHELPERS, "replicate", "--config", config, name="replicate")

    def wait_state(self, name: str, key: str, value: object) -> None:
        """Wait until a gateway's `fwhelpers cluster status` has a value."""
        text = f"{name}: {key} {value} in the state of the replication"
        wait_until(lambda: self.state(name).get(key) == value, text)

    def state(self, name: str) -> dict[str, object]:
        argv = (*FWHELPERS, "cluster", "status", "--json", "--config", "/run/lab/fwhelpers")
        state = json.loads(self.run(name, *argv, check=False).stdout or "{}")
        return state.get("replication") or {}

    def wait_connection(self, port: int) -> None:
        """Wait until conntrackd has replicated a connection to a port of the server."""
        self.wait_cached("ct", f"dport={port} ")


@pytest.fixture(params=["none", "snat"])
def pair(request: pytest.FixtureRequest) -> Iterator[ReplicatedPair]:
    with ReplicatedPair(request.param) as lab:
        start_ftp(lab, [4])
        yield lab


def test_announced_transfers_survive(pair: ReplicatedPair, tmp_path: Path) -> None:
    services = pair.start_services("[helpers.ftp]\n", tmp_path)
    transfers = announce(pair, 0)
    pair.wait_state("h", "received", 2)
    pair.wait_connection(21)
    before = expected(pair, "g")
    pair.fail(services["g"])
    line = pair.take_over()
    assert line == "takeover: 2 repaired, 0 kept, 0 refused, 0 lost"
    # PORT's class has an hour, PASV's a minute
    after = expected(pair, "h")
    assert [words for _, words in after] == [words for _, words in before]
    assert all(now <= then for (now, _), (then, _) in zip(after, before, strict=True))
    finish(pair, 0, transfers)


def test_take_overs_back_and_forth(pair: ReplicatedPair, tmp_path: Path) -> None:
    """What one gateway has restored is replicated to the other one in its turn."""
    pair.start_services("[helpers.ftp]\n", tmp_path)
    transfers = announce(pair, 0)
    for active, passive in ("gh", "hg"):
        pair.wait_state(passive, "received", 2)
        pair.wait_cached("ct", "dport=21 ", ns=passive)
        line = pair.hand_over(active, passive)
        assert line == "takeover: 2 repaired, 0 kept, 0 refused, 0 lost", passive
    finish(pair, 0, transfers)
    pair.wait_state("h", "received", 0)


def test_an_expectation_of_a_third_host(tmp_path: Path) -> None:
    """`fwhelpers takeover` refuses it without a record, as nothing tells who announced it."""
    with ReplicatedPair() as lab:
        # from port 20, vsftpd's privileged process connects to the client alone, and hangs up
        start_ftp(lab, [4], "port_promiscuous=YES\nconnect_from_port_20=NO\n")
        lab.run("c", "ip", "address", "add", f"{THIRD}/24", "dev", "eth0")
        services = lab.start_services(FTP, tmp_path)
        to_third = client(lab, "listen_for_data", THIRD, "5000", GATE)
        to_third.wait_line("^< 200 PORT")
        lab.wait_state("h", "received", 1)
        lab.wait_connection(21)
        lab.fail(services["g"])
        line = lab.take_over()
        assert line == "takeover: 1 repaired, 0 kept, 0 refused, 0 lost"
        lab.namespaces["c"].path(GATE).touch()
        to_third.wait_line("^data served by ftp")


def test_the_link_and_both_processes_come_back(tmp_path: Path) -> None:
    """PORT's expectation lives for an hour: as each keeps its lifetime, PASV's minute would be over."""
    with ReplicatedPair("snat") as lab:
        start_ftp(lab, [4])
        services = lab.start_services("[helpers.ftp]\n", tmp_path)
        lab.run("g", "ip", "link", "set", "sync", "down")
        lab.wait_state("h", "connected", False)
        to_client = client(lab, "listen_for_data", "10.0.1.2", "5000", GATE)
        to_client.wait_line("^< 200 PORT")
        lab.run("g", "ip", "link", "set", "sync", "up")
        lab.wait_state("h", "received", 1)
        for name in "gh":
            space = lab.namespaces[name]
            (process,) = (p for p in space.processes if "replicate" in p.name)
            process.signal(signal.SIGKILL)
            process.wait()
            lab.start_replication(name)
        lab.wait_state("h", "received", 1)
        lab.wait_connection(21)
        lab.fail(services["g"])
        assert lab.take_over() == "takeover: 1 repaired, 0 kept, 0 refused, 0 lost"
        lab.namespaces["c"].path(GATE).touch()
        to_client.wait_line("^data served by ftp")


def expected(lab: ReplicatedPair, ns: str) -> list[tuple[int, str]]:
    """Return the expectations of FTP on a gateway: seconds and the rest of the line, which holds class and tuples."""
    listed = lab.run(ns, "conntrack", "-L", "expect").stdout.splitlines()
    rows = [line.split(maxsplit=1) for line in listed if "dport=21 " in line]
    return sorted(((int(seconds), words) for seconds, words in rows), key=lambda row: row[1])
