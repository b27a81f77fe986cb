"""The service on a message bus of the gateway's own: real transfers are told as they happen."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from lab import PROGRAMS
from lab.bus import ENV, Gateway
from lab.clients import download, mount, read, umount
from lab.process import wait_until
from lab.servers import start_ftp, start_nfs
from lab.topology import FWHELPERS, Lab
from message_bus import BusClient

from fwhelpers.dbus import names

BURST = str(PROGRAMS / "burst.py")
FTP, BOTH = "[helpers.ftp]\n", "[helpers.rpc]\n[helpers.ftp]\n"
ONE_WORKER = "[daemon]\nworkers = 1\n"


@pytest.fixture
def gateway(lab: Lab) -> Gateway:
    return Gateway(lab)


def about(member: str, **fields: Any) -> Callable[[Any], bool]:
    def true(signal_: Any) -> bool:
        return any(fields.items() <= entry.items() for entry in signal_.body[0])

    return true


@pytest.mark.nat("snat")
def test_an_ftp_transfer_from_the_announcement_to_the_end(gateway: Gateway) -> None:
    start_ftp(gateway.lab)
    gateway.start(FTP)

    async def scenario(client: BusClient) -> tuple[dict[str, Any], dict[str, Any]]:
        done = await asyncio.to_thread(download, gateway.lab, "EPSV", 4)
        assert done.returncode == 0, done.stderr
        created = await client.wait_signal("Created", about("Created", helper="ftp"))
        matched = await client.wait_signal("Matched", about("Matched", helper="ftp"))
        return created.body[0][0], matched.body[0][0]

    created, matched = gateway.play(scenario)
    assert matched["announcement"] == "EPSV"
    assert matched["interface"] == "wan"  # the server's answer came in there
    assert (created["source"], created["destination"]) == ("10.0.1.2", "10.0.2.2")
    assert created["policy"] == "passive"
    assert created["timeout"] == 60
    control = created["master"]
    assert (control["source"], control["destination_port"]) == ("10.0.1.2", 21)
    assert control["reply_destination"] == "10.0.2.1"  # masqueraded
    assert matched["id"] == created["id"]
    assert matched["connection"]["destination_port"] == created["destination_port"]
    assert matched["connection"]["reply_destination"] == "10.0.2.1"
    status = gateway.command("status", "--json")
    assert status["helpers"][0]["counters"]["expected"] == 1
    assert all(worker["ready"] for worker in status["workers"])


def test_what_is_used_is_listed_with_its_connections(gateway: Gateway) -> None:
    lab = gateway.lab
    start_nfs(lab)
    gateway.start(BOTH)
    assert mount(lab, "tcp").returncode == 0
    assert read(lab)
    listed = gateway.command("expectations", "--json")
    nfs = [entry for entry in listed if entry["destination_port"] == 2049]
    assert {entry["helper"] for entry in nfs} == {"rpc"}
    used = [connection for entry in nfs for connection in entry["connections"]]
    assert 2049 in [connection["destination_port"] for connection in used]
    text = gateway.command("expectations").stdout
    assert "rpc" in text
    assert "10.0.2.2:2049" in text
    umount(lab)


def test_refused_with_the_rule_and_the_reason(gateway: Gateway) -> None:
    start_ftp(gateway.lab)
    gateway.start(FTP)
    monitor = gateway.lab.popen(
        "g", *FWHELPERS, "monitor", "--json", name="monitor", env={**os.environ, **ENV}
    )
    gateway.lab.run("g", "true")

    async def scenario(client: BusClient) -> dict[str, Any]:
        steps = "USER ftp;PASS x;PORT 10,0,1,2,0,22"
        peers = str(PROGRAMS / "peers.py")
        argv = (sys.executable, peers, "ftp_client", "10.0.2.2", steps)
        await asyncio.to_thread(gateway.lab.run, "c", *argv, check=False)
        refused = await client.wait_signal("Refused")
        return dict(refused.body[0][0])

    refused = gateway.play(scenario)
    assert (refused["helper"], refused["rule"]) == ("ftp", "G6")
    assert refused["endpoint"] == "10.0.1.2:22"
    assert refused["interface"] == "lan"
    monitor.stop()


def test_enabled_and_disabled_under_traffic(gateway: Gateway) -> None:
    lab = gateway.lab
    start_ftp(lab)
    daemon = gateway.start(ONE_WORKER + "[helpers.rpc]\n")
    assert download(lab, "EPSV", 4, timeout=20).returncode != 0
    assert gateway.command("enable", "ftp").stdout == "ftp: enabled until the next reload\n"
    assert download(lab, "EPSV", 4).returncode == 0
    gateway.command("disable", "ftp")
    assert download(lab, "EPSV", 4, timeout=20).returncode != 0
    answer = gateway.command("enable", "ftp", "--persist", "--json")
    file = gateway.space.path(answer[0]["drop_in"])
    assert '[helpers."ftp"]\nenabled = true' in file.read_text()
    gateway.command("reload")
    daemon.wait_line("reloaded: .*ftp")
    assert download(lab, "PASV", 4).returncode == 0
    assert "yes" in re.search(r"^ftp +(\w+)", gateway.command("list").stdout, re.M)[1]
    lab.config("[helpers.ftp]\nprots = [21]\n")
    wrong = gateway.command("reload", check=False)
    assert wrong.returncode == 1
    assert "helpers.ftp.prots: unknown key (did you mean ports?)" in wrong.stderr
    assert gateway.command("enable", "nosuch", check=False).stderr.startswith(
        "fwhelpers: error: no helper 'nosuch'"
    )
    assert download(lab, "PASV", 4).returncode == 0


def test_the_bus_may_go_and_come_back(gateway: Gateway) -> None:
    lab = gateway.lab
    start_ftp(lab)
    daemon = gateway.start(ONE_WORKER + FTP)
    gateway.bus.kill()
    daemon.wait_line("lost the connection to the message bus")
    assert download(lab, "EPSV", 4).returncode == 0
    status = gateway.command("status", check=False)
    assert status.returncode == 1
    assert "hint: DBUS_SYSTEM_BUS_ADDRESS is set to" in status.stderr
    before = len(daemon.lines)
    gateway.start_bus()
    daemon.wait_line("on D-Bus as", after=before)
    assert gateway.command("status", "--json")["helpers"][0]["name"] == "ftp"
    (worker,) = gateway.command("status", "--json")["workers"]

    async def scenario(client: BusClient) -> Any:
        os.kill(worker["pid"], signal.SIGKILL)
        return await client.wait_signal("WorkerRestarted")

    restarted = gateway.play(scenario)
    assert restarted.body == (names.worker_path(1000), {"reason": "died of SIGKILL"})


@dataclass
class Tally:
    """How many expectations signals told of, or told to be lost."""

    created: int = 0
    lost: int = 0
    read: int = 0

    def take(self, signals: list[Any]) -> int:
        """Count those that are new; returns how many there were in all."""
        for entry in signals[self.read :]:
            if entry.member == "Created":
                self.created += len(entry.body[0])
            elif entry.member == "EventsLost":
                self.lost += entry.body[0]["count"]
        self.read = len(signals)
        return self.created + self.lost


def test_ten_thousand_expectations_at_once(gateway: Gateway) -> None:
    lab = gateway.lab
    Path("/proc/sys/net/netfilter/nf_conntrack_expect_max").write_text("20000")
    daemon = gateway.start(ONE_WORKER + BOTH)

    async def scenario(client: BusClient) -> Tally:
        burst_output = await asyncio.to_thread(
            lab.run, "g", sys.executable, BURST, "rpc", "1250", "8", timeout=300
        )
        assert "made 10000" in burst_output.stdout
        print(burst_output.stdout)
        tally = Tally()
        await client.wait_until(lambda: tally.take(client.signals) >= 10000, "end")
        return tally

    tally = gateway.play(scenario)
    print(tally)
    resident = Path(f"/proc/{daemon.pid}/statm").read_text()
    print("memory of the service", int(resident.split()[1]) * 4096)
    assert daemon.returncode is None
    listed = gateway.command("expectations", "--json")
    wait_until(lambda: gateway.command("status", "--json"), "an answer")
    # on a machine with other work the first expire before the last is made
    remaining = int(lab.run("g", "conntrack", "-C", "expect").stdout)
    assert len(listed) >= remaining
