"""Expectations as clients see them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fwhelpers.api import DatagramParser, Helper, Policy
from fwhelpers.dbus.fields import to_variants
from fwhelpers.events.serialize import InstalledHelpers, Loss, Serializer
from fwhelpers.events.tracker import Event, EventKind, TrackedExpectation, WithdrawReason
from fwhelpers.kernel.conntrack import Conntrack, Tuple
from fwhelpers.kernel.expect import PERMANENT, Expectation, mask_for
from fwhelpers.kernel.raw_events import RawConnection, RawExpectation
from fwhelpers.worker.messages import FlowReport, ReportKind

CLIENT, SERVER = bytes([10, 0, 1, 2]), bytes([10, 0, 2, 2])
MASTER = Tuple(CLIENT, SERVER, 6, 40000, 21)
EXPECTED = Tuple(CLIENT, SERVER, 6, 0, 2000)
EXPECTATION = Expectation(
    MASTER, EXPECTED, mask_for(EXPECTED, prefix=24), 1, PERMANENT, 60, "fw-ftp", zone=3,
    nat=Tuple(SERVER, CLIENT, 6, 2001, 0), nat_dir=1, fn="nat-follow-master", id=7,
)  # fmt: skip
FTP = Helper("ftp", "tcp", [21], DatagramParser, policies=[Policy("a"), Policy("data")])


@pytest.fixture
def serializer() -> Serializer:
    new = Serializer(lambda index: f"eth{index}")
    new.installed = InstalledHelpers({"fw-ftp": FTP}, {"ftp": "plug"})
    return new


def tracked(expectation: Expectation = EXPECTATION) -> TrackedExpectation:
    new = TrackedExpectation(1, RawExpectation.of(expectation), 100.0, 161.0, "PASV")
    new.reply = Tuple(SERVER, bytes([192, 0, 2, 1]), 6, 21, 40000)
    new.interface = 2
    return new


def test_an_expectation_with_all_its_fields(serializer: Serializer) -> None:
    fields = serializer.expectation(tracked(), 110.0)
    assert fields == {
        "id": "00000007-1", "state": "pending", "helper": "ftp", "kernel_name": "fw-ftp",
        "plugin": "plug", "announcement": "PASV", "policy": "data", "class": 1, "flags": ["permanent"],
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
    to_variants(fields)  # each key is declared


def test_a_match_with_its_connection(serializer: Serializer) -> None:
    orig = EXPECTED._replace(sport=50000)
    reply = Tuple(SERVER, CLIENT, 6, 2000, 50000)
    connection = RawConnection.of(Conntrack(orig, reply, 1, zone=3, master=MASTER))
    fields = serializer.event(Event(EventKind.MATCHED, tracked(), connection), 110.0)
    assert fields["connection"]["source_port"] == 50000
    assert fields["connection"]["reply_source_port"] == 2000
    assert "connections" not in fields
    unknown = serializer.event(Event(EventKind.MATCHED, None, connection), 110.0)
    assert (unknown["id"], unknown["zone"], unknown["master"]["destination_port"]) == ("", 3, 21)
    to_variants(unknown)


def test_a_foreign_helper_keeps_the_kernel_s_name(serializer: Serializer) -> None:
    foreign = tracked(replace(EXPECTATION, helper="sip", nat=None))
    fields = serializer.event(
        Event(EventKind.WITHDRAWN, foreign, reason=WithdrawReason.REMOVED), 110.0
    )
    assert (fields["helper"], fields["plugin"], fields["policy"]) == ("sip", "", "")
    assert (fields["nat"], fields["reason"]) == (None, "removed")
    to_variants(fields)


def test_a_refusal(serializer: Serializer) -> None:
    report = FlowReport(
        ReportKind.REFUSED, "fw-ftp", "c", "s", "tcp", "why", "G6", "PORT", "e", interface=4
    )
    fields = serializer.item(report, 0.0)
    assert (fields["helper"], fields["plugin"], fields["rule"], fields["interface"]) == (
        "ftp", "plug", "G6", "eth4",
    )  # fmt: skip
    to_variants(fields)


@pytest.mark.parametrize("kind", [ReportKind.POISONED, ReportKind.FAILED])
def test_a_connection_that_was_given_up(serializer: Serializer, kind: ReportKind) -> None:
    fields = serializer.item(FlowReport(kind, "fw-ftp", "c", "s", "tcp", "why"), 0.0)
    assert fields == {
        "helper": "ftp", "kernel_name": "fw-ftp", "plugin": "plug", "transport": "tcp",
        "client": "c", "server": "s", "reason": "why",
    }  # fmt: skip
    to_variants(fields)


def test_a_loss(serializer: Serializer) -> None:
    fields = serializer.item(Loss("kernel", 0, True), 0.0)
    assert fields == {"stage": "kernel", "count": 0, "resynced": True}
    to_variants(fields)
