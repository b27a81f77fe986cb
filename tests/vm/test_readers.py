"""Our netlink codecs beside independent ones: netfilterqueue for packets, pyroute2 for connections."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from lab import PROGRAMS, reader
from lab.clients import download
from lab.servers import start_ftp
from lab.topology import CLIENT, INNER, OUTER, SERVER, Lab

PORT = 4242
SIZES = (1, 1000, 3988, 3989, 6000)  #: with headers, netfilterqueue reads 4016 bytes at most
HEADERS = 28
LIMIT = 4016
QUEUES = f"""
table inet readers {{
    chain first {{
        type filter hook postrouting priority 280;
        ct direction original udp dport {PORT} queue to 7
    }}
    chain second {{
        type filter hook postrouting priority 285;
        ct direction original udp dport {PORT} queue to 8
    }}
}}
"""
Rows = dict[str, list[dict[str, Any]]]


@pytest.fixture(scope="module")
def rows() -> Iterator[Rows]:
    """The same datagrams, as both readers received them."""
    with Lab() as lab:
        lab.open("udp", PORT)
        lab.nft(QUEUES)
        program = lab.popen("g", sys.executable, str(PROGRAMS / "two_readers.py"), "7", "8")
        program.wait_line("^ready")
        for size in SIZES:
            before = len(program.lines)
            sender = f"dd bs={size} count=1 if=/dev/zero status=none >/dev/udp/{SERVER[4]}/{PORT}"
            lab.run("c", "bash", "-c", sender)
            program.wait_line('"theirs"', after=before)
        received = [json.loads(line) for line in program.lines if line.startswith("{")]
        yield {
            name: [row for row in received if row["reader"] == name] for name in ("ours", "theirs")
        }


def test_both_readers_receive_every_packet_with_equal_metadata(rows: Rows) -> None:
    fields = ("hook", "hw_protocol", "indev", "outdev")
    ours, theirs = ([[row[field] for field in fields] for row in rows[name]] for name in rows)
    assert len(ours) == len(SIZES)
    assert ours == theirs


def test_payloads_are_equal_up_to_the_limit_of_netfilterqueue(rows: Rows) -> None:
    for size, ours, theirs in zip(SIZES, rows["ours"], rows["theirs"], strict=True):
        assert len(ours["payload"]) // 2 == size + HEADERS
        assert theirs["payload"] == ours["payload"][: 2 * LIMIT]


def test_only_our_reader_has_the_conntrack_entry(rows: Rows) -> None:
    assert all(row["ct_id"] and row["orig"] for row in rows["ours"])
    assert not [name for name in rows["theirs"][0]["attributes"] if "ct" in name.split("_")]


@pytest.mark.nat("both")
def test_pyroute2_sees_the_expected_connection_and_its_translation(lab: Lab) -> None:
    start_ftp(lab)
    lab.start_fwhelpers("[helpers.ftp]\n")
    assert download(lab, "PASV", 4).returncode == 0
    connections = reader.connections(lab)
    (control,) = [c for c in connections if c.orig[3] == 21]
    (data,) = [c for c in connections if c.status & reader.EXPECTED]
    assert control.status & reader.HELPER
    assert not data.status & reader.HELPER
    assert control.orig[::2] == data.orig[::2] == (CLIENT[4], INNER[4])
    assert control.reply[::2] == data.reply[::2] == (SERVER[4], OUTER[4])


def test_pyroute2_sees_the_addresses_of_the_lab(lab: Lab) -> None:
    addresses = {(a.interface, a.address, a.length) for a in reader.addresses(lab)}
    assert {("lan", INNER[4], 24), ("lan", INNER[6], 64), ("wan", OUTER[4], 24)} <= addresses
