"""`fwhelpers explain` on a gateway: the ruleset in force, conntrack and the kernel's expectations."""

from __future__ import annotations

import os
import sys
from typing import Any

import pytest
from lab import PROGRAMS
from lab.bus import ENV, Gateway
from lab.process import Process, wait_until
from lab.servers import start_ftp
from lab.topology import FWHELPERS, Lab

PEERS = str(PROGRAMS / "peers.py")
FTP = "[daemon]\nworkers = 1\n[helpers.ftp]\n"
GATE = "/run/lab/gate"


@pytest.fixture
def gateway(lab: Lab) -> Gateway:
    gateway = Gateway(lab)
    start_ftp(lab)
    gateway.start(FTP)
    return gateway


def announce(gateway: Gateway) -> Process:
    """Let a client announce port 40000; the server connects to it once the gate is open."""
    argv = (sys.executable, PEERS, "listen_for_data", "10.0.1.2", "40000", GATE)
    client = gateway.lab.popen("c", *argv, name="client")
    wait_until(lambda: gateway.command("expectations", "--json"), "an expectation")
    return client


def explain(gateway: Gateway, *arguments: str) -> dict[str, Any]:
    return dict(gateway.command("explain", *arguments, "--json", check=False))


def facts(report: dict[str, Any], topic: str) -> list[str]:
    return [fact["text"] for fact in report["facts"] if fact["topic"] == topic]


def test_from_the_announcement_to_the_connection(gateway: Gateway) -> None:
    assert explain(gateway, "10.0.2.2", "10.0.1.2", "40000")["answer"] == "no"
    client = announce(gateway)
    report = explain(gateway, "10.0.2.2", "10.0.1.2", "40000")
    assert report["answer"] == "yes", report
    assert report["reason"].startswith("expectation of ftp, created ")
    assert report["not_queried"].keys() <= {"firewalld"}
    assert any("ct state established,related accept" in text for text in facts(report, "rules"))
    assert "10.0.2.2" in facts(report, "helper")[0]
    assert facts(report, "control")[0].endswith(": helper ftp")
    # the kernel agrees
    gateway.lab.run("c", "touch", GATE)
    assert client.wait() == 0
    used = explain(gateway, "10.0.2.2", "10.0.1.2", "40000")
    assert used["reason"].startswith("the connection exists, let in by expectation of ftp")


def test_refusals_and_rules_for_new_connections(gateway: Gateway) -> None:
    steps = "USER ftp;PASS x;PORT 10,0,1,2,0,22"
    gateway.lab.run("c", sys.executable, PEERS, "ftp_client", "10.0.2.2", steps)
    refused = explain(gateway, "10.0.2.2", "10.0.1.2", "22")
    assert refused["answer"] == "no"
    assert refused["reason"].startswith("ftp refused PORT ")
    other = explain(gateway, "10.0.2.2", "10.0.1.2", "40001")
    assert other["reason"].startswith("no expectation")
    accepted = explain(gateway, "10.0.1.2", "10.0.2.2", "111", "--l4", "udp")
    assert accepted["reason"].startswith("no expectation is needed: inet firewall forward accepts")


def test_a_firewall_without_a_rule_for_related_connections(gateway: Gateway) -> None:
    announce(gateway)
    gateway.lab.nft(
        "flush chain inet firewall forward\n"
        "add rule inet firewall forward ct state established accept\n"
        "add rule inet firewall forward counter name dropped\n"
    )
    report = explain(gateway, "10.0.2.2", "10.0.1.2", "40000")
    assert report["answer"] == "no"
    assert report["reason"].endswith("matches, but inet firewall forward drops it: its policy")
    gateway.lab.run("c", "touch", GATE)
    wait_until(gateway.lab.dropped, "a dropped connection")


@pytest.mark.nat("snat")
def test_the_client_behind_nat(gateway: Gateway) -> None:
    announce(gateway)
    direct = explain(gateway, "10.0.2.2", "10.0.2.1", "40000")
    assert direct["answer"] == "yes", direct
    assert direct["expectation"]["nat"]["address"] == "10.0.1.2"
    behind = explain(gateway, "10.0.2.2", "10.0.1.2", "40000")
    assert behind["answer"] == "yes", behind
    assert "then NAT changes the destination" in behind["reason"]


def test_an_unprivileged_user_learns_what_could_not_be_asked(gateway: Gateway) -> None:
    announce(gateway)
    control = gateway.command("explain", "10.0.1.2", "10.0.2.2", "21")
    assert control.stdout.startswith("yes: the connection exists; no expectation let it in")
    # may read the checkout, which can be in a home directory of root's
    reads = ("--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search")
    nobody = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", *reads)
    done = gateway.lab.run(
        "g", *nobody, *FWHELPERS, "explain", "10.0.2.2", "10.0.1.2", "40000",
        check=False, env={**os.environ, **ENV},
    )  # fmt: skip
    assert done.returncode == 4, done.stdout + done.stderr
    assert done.stdout.startswith(
        "unknown: expectations and rules could not be queried; run as root"
    )
    assert "service: fwhelpers" in done.stdout
    for source in ("expectations", "refusals", "conntrack", "ruleset"):
        assert f"\nnot queried: {source}: " in done.stdout
