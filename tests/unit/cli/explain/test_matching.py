"""Expressions of rules, as libnftables 1.0.6 prints them, against a packet."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import pytest

from fwhelpers.cli.explain.matching import Packet, Truth, matches

NO, MAYBE, YES = Truth
PACKET = Packet(
    "tcp", ip_address("10.0.1.2"), ip_address("10.0.2.2"), None, 40021,
    input_interface="lan", output_interface="wan", translated=False,
)  # fmt: skip
SIX = replace(PACKET, source=ip_address("fd01::2"), destination=ip_address("fd02::2"))
RELATED = replace(PACKET, related=True, master_helper="fw-ftp")
SETS: dict[str, list[Any]] = {
    "good": ["192.0.2.7", {"prefix": {"addr": "10.0.2.0", "len": 24}}],
    "timed": [{"elem": {"val": "10.0.2.2", "expires": 9}}],
}


def payload(protocol: str, field: str) -> dict[str, Any]:
    return {"payload": {"protocol": protocol, "field": field}}


def meta(key: str) -> dict[str, Any]:
    return {"meta": {"key": key}}


def ct(key: str, **more: str) -> dict[str, Any]:
    return {"ct": {"key": key, **more}}


FLAGS = {"&": [payload("tcp", "flags"), ["fin", "syn", "rst", "ack"]]}
PAIR = {"concat": [meta("iifname"), payload("tcp", "dport")]}


@pytest.mark.parametrize(
    ("operand", "operator", "right", "truth"),
    [
        (payload("tcp", "dport"), "==", 40021, YES),
        (payload("tcp", "dport"), "!=", 40021, NO),
        (payload("tcp", "dport"), "==", {"range": [1024, 65535]}, YES),
        (payload("tcp", "dport"), "==", {"set": [21, {"range": [1, 100]}]}, NO),
        (payload("tcp", "dport"), ">=", 1024, YES),
        (payload("tcp", "dport"), "<", 1024, NO),
        (payload("th", "dport"), "==", 40021, YES),
        (payload("tcp", "sport"), "==", 20, MAYBE),
        # a TCP packet has no UDP header, so not even a negation matches
        (payload("udp", "dport"), "==", 40021, NO),
        (payload("udp", "dport"), "!=", 40021, NO),
        (payload("ip6", "saddr"), "!=", "fd01::2", NO),
        (payload("ip", "saddr"), "==", {"prefix": {"addr": "10.0.0.0", "len": 8}}, YES),
        (payload("ip", "saddr"), "==", {"range": ["10.0.1.3", "10.0.1.9"]}, NO),
        (payload("ip", "daddr"), "==", "@good", YES),
        (payload("ip", "daddr"), "==", "@timed", YES),
        (payload("ip", "saddr"), "==", "@good", NO),
        (payload("ip", "saddr"), "==", "@missing", MAYBE),
        (payload("ip", "saddr"), "!=", "@missing", MAYBE),
        (payload("ip", "protocol"), "==", "udp", NO),
        (payload("ip", "ttl"), "==", 64, MAYBE),
        (payload("icmp", "type"), "==", "echo-request", NO),
        (meta("iifname"), "==", "lan", YES),
        (meta("iifname"), "==", "la*", YES),
        (meta("oifname"), "!=", "wan*", NO),
        (meta("nfproto"), "==", "ipv6", NO),
        (meta("l4proto"), "==", {"set": ["tcp", "udp"]}, YES),
        (meta("mark"), "==", 7, MAYBE),
        (ct("state"), "in", "new", YES),
        (ct("state"), "in", ["established", "related"], NO),
        (ct("state"), "==", {"set": ["established", "new"]}, YES),
        (ct("state"), "!=", "new", NO),
        (ct("status"), "in", "dnat", NO),
        (ct("status"), "in", "snat", MAYBE),
        (ct("helper"), "==", "fw-ftp", NO),
        (ct("proto-dst", dir="original"), "==", 21, MAYBE),
        (FLAGS, "==", "syn", YES),
        (FLAGS, "!=", "syn", NO),
        (payload("tcp", "flags"), "in", ["syn", "ack"], YES),
        (PAIR, "==", {"set": [{"concat": ["lan", 40021]}]}, YES),
        (PAIR, "==", {"set": [{"concat": ["lan", 1]}]}, NO),
        ({"fib": {"result": "type", "flags": ["daddr"]}}, "==", "local", MAYBE),
        (payload("tcp", "dport"), "strange", 1, MAYBE),
    ],
)
def test_a_new_connection(operand: Any, operator: str, right: Any, truth: Truth) -> None:
    assert matches({"left": operand, "op": operator, "right": right}, PACKET, SETS) is truth


@pytest.mark.parametrize(
    ("packet", "operand", "operator", "right", "truth"),
    [
        (RELATED, ct("state"), "in", ["established", "related"], YES),
        (RELATED, ct("state"), "in", "new", NO),
        (RELATED, ct("helper"), "==", "fw-ftp", YES),
        (RELATED, ct("helper"), "==", "rpc", NO),
        (RELATED, ct("status"), "in", "expected", YES),
        (replace(PACKET, translated=None), ct("status"), "in", "dnat", MAYBE),
        (replace(PACKET, translated=True), ct("status"), "in", "dnat", YES),
        (replace(PACKET, output_interface=None), meta("oifname"), "==", "wan", MAYBE),
        (replace(PACKET, output_interface=None), meta("oifname"), "!=", "wan", MAYBE),
        (replace(PACKET, source_port=20), payload("tcp", "sport"), "==", 20, YES),
        (SIX, payload("ip6", "daddr"), "==", {"prefix": {"addr": "fd02::", "len": 16}}, YES),
        (SIX, payload("ip", "daddr"), "==", "@good", NO),
    ],
)
def test_other_packets(
    packet: Packet, operand: Any, operator: str, right: Any, truth: Truth
) -> None:
    assert matches({"left": operand, "op": operator, "right": right}, packet, SETS) is truth


ESP = replace(PACKET, transport="esp", port=0)


@pytest.mark.parametrize(
    ("operand", "operator", "right", "truth"),
    [
        (meta("l4proto"), "==", "esp", YES),
        (payload("ip", "protocol"), "==", {"set": ["esp", "ah"]}, YES),
        (payload("esp", "spi"), "==", 7, MAYBE),
        (payload("tcp", "dport"), "==", 0, NO),
        (payload("th", "dport"), "==", 0, MAYBE),
        (payload("ah", "spi"), "!=", 7, NO),
    ],
)
def test_a_packet_without_ports(operand: Any, operator: str, right: Any, truth: Truth) -> None:
    assert matches({"left": operand, "op": operator, "right": right}, ESP, SETS) is truth
