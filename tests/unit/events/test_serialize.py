"""Expectations as clients see them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fwhelpers.api import DatagramParser, Helper, Policy
from fwhelpers.dbus.fields import values
from fwhelpers.events.serialize import Describer, Known
from fwhelpers.events.tracker import Event, TrackedExpectation
from fwhelpers.kernel.conntrack import Conntrack, Tuple
from fwhelpers.kernel.expect import PERMANENT, Expectation, mask_for

CLIENT, SERVER = bytes([10, 0, 1, 2]), bytes([10, 0, 2, 2])
MASTER = Tuple(CLIENT, SERVER, 6, 40000, 21)
WANTED = Tuple(CLIENT, SERVER, 6, 0, 2000)
ONE = Expectation(
    MASTER, WANTED, mask_for(WANTED, prefix=24), 1, PERMANENT, 60, "fw-ftp", zone=3,
    nat=Tuple(SERVER, CLIENT, 6, 2001, 0), nat_dir=1, fn="nat-follow-master", id=7,
)  # fmt: skip
FTP = Helper("ftp", "tcp", [21], DatagramParser, policies=[Policy("a"), Policy("data")])


@pytest.fixture
def describer() -> Describer:
    made = Describer(lambda index: f"eth{index}")
    made.known = Known({"fw-ftp": FTP}, {"ftp": "plug"})
    return made


def hole() -> TrackedExpectation:
    reply = Tuple(SERVER, bytes([192, 0, 2, 1]), 6, 21, 40000)
    return TrackedExpectation("00000007-1", ONE, 100.0, 161.0, reply, "PASV", 2)


def test_everything_about_an_expectation(describer: Describer) -> None:
    told = describer.expectation(hole(), 110.0)
    assert told == {
        "id": "00000007-1", "state": "expected", "helper": "ftp", "kernel_name": "fw-ftp",
        "plugin": "plug", "what": "PASV", "policy": "data", "class": 1, "flags": ["permanent"],
        "timeout": 60, "remaining": 50, "zone": 3, "interface": "eth2", "transport": "tcp",
        "source": "10.0.1.2", "source_mask": "255.255.255.0", "source_port": 0,
        "source_port_mask": 0, "destination": "10.0.2.2", "destination_port": 2000,
        "nat": {"direction": "reply", "function": "nat-follow-master", "address": "10.0.2.2",
                "port": 2001},
        "master": {"transport": "tcp", "source": "10.0.1.2", "source_port": 40000,
                   "destination": "10.0.2.2", "destination_port": 21, "reply_source": "10.0.2.2",
                   "reply_source_port": 21, "reply_destination": "192.0.2.1",
                   "reply_destination_port": 40000},
        "connections": [],
    }  # fmt: skip
    values(told)  # each key is declared


def test_matched_with_its_connection(describer: Describer) -> None:
    orig = WANTED._replace(sport=50000)
    one = Conntrack(orig, Tuple(SERVER, CLIENT, 6, 2000, 50000), 1, master=MASTER)
    told = describer.event(Event("matched", hole(), one), 110.0)
    assert told["connection"]["source_port"] == 50000
    assert told["connection"]["reply_source_port"] == 2000
    assert "connections" not in told
    unknown = describer.event(Event("matched", None, one), 110.0)
    assert (unknown["id"], unknown["master"]["destination_port"]) == ("", 21)
    values(unknown)


def test_another_s_helper_keeps_the_kernel_s_name(describer: Describer) -> None:
    foreign = replace(hole(), expectation=replace(ONE, helper="sip", nat=None))
    told = describer.event(Event("withdrawn", foreign, reason="removed"), 110.0)
    assert (told["helper"], told["plugin"], told["policy"]) == ("sip", "", "")
    assert (told["nat"], told["reason"]) == (None, "removed")
    values(told)


def test_refused(describer: Describer) -> None:
    note = {
        "helper": "fw-ftp", "l4": "tcp", "client": "c", "server": "s", "endpoint": "e",
        "rule": "G6", "reason": "why", "what": "PORT", "interface": 4, "kind": "refused",
    }  # fmt: skip
    told = describer.refused(note)
    assert (told["helper"], told["plugin"], told["rule"], told["interface"]) == (
        "ftp", "plug", "G6", "eth4",
    )  # fmt: skip
    values(told)
