from __future__ import annotations

from collections.abc import Iterator

import pytest
from connection import Connection, FakePacket, tcp_flow

from fwhelpers.api import (
    DatagramParser,
    Done,
    Endpoint,
    Event,
    Expect,
    Helper,
    LineParser,
    Policy,
)
from fwhelpers.engine.announcement import (
    Announcement,
    MessageContext,
    report_refusal,
    report_success,
)
from fwhelpers.engine.guard import Refusal, Refused
from fwhelpers.engine.nat import plan
from fwhelpers.kernel.expect import PERMANENT

HELPER = Helper("ftp", "tcp", [21], DatagramParser, [Policy("data"), Policy("long", timeout=300)])
CLIENT = Endpoint.parse("10.0.1.2", 40000)
SERVER = Endpoint.parse("10.0.2.2", 21)


def announcement(indev: int = 2, **fields: object) -> Announcement:
    flow = tcp_flow(HELPER, CLIENT, SERVER)
    packet = FakePacket(b"", flow.orig, flow.reply, 3, HELPER.kernel_name, indev=indev, outdev=7)
    event = Expect(CLIENT, SERVER.at(30000), **fields)  # type: ignore[arg-type]
    context = MessageContext(packet.decode(), True, b"", 0, False)
    return Announcement(flow, context, event, now=100.0)


def test_the_policy_is_the_named_one_or_the_first() -> None:
    assert announcement().policy.name == "data"
    assert announcement(policy="long").klass == 1
    with pytest.raises(Refused) as refused:
        announcement(policy="none")
    assert refused.value.refusal.rule == "G9"


@pytest.mark.parametrize(
    ("asked", "lifetime"), [(None, 300), (0, 1), (-1, 1), (200, 200), (301, 300), (10**9, 300)]
)
def test_the_lifetime_is_at_most_the_policys(asked: int | None, lifetime: int) -> None:
    assert announcement(policy="long", timeout=asked).lifetime == lifetime


def test_the_expectation() -> None:
    event = announcement(permanent=True, child=True, sport=20)
    planned = plan(event.event, "tcp", event.flow.orig, event.flow.reply)
    expectation = event.expectation(planned)
    assert (expectation.flags, expectation.helper) == (PERMANENT, "fw-ftp")
    assert (expectation.tuple.sport, expectation.mask.sport) == (20, 0xFFFF)
    assert (expectation.nat, expectation.fn) == (None, "")


def test_the_report_names_the_interface_of_the_packet() -> None:
    sent = announcement(trigger="PASV")
    report = report_refusal(sent.flow, sent.context, sent.event, Refusal("G5", "another host"))
    assert (report.kind, report.rule, report.trigger) == ("refused", "G5", "PASV")
    assert report.interface == 2
    sent = announcement(indev=0)
    planned = plan(sent.event, "tcp", sent.flow.orig, sent.flow.reply)
    expectation = sent.expectation(planned)
    report = report_success(sent, expectation, "renewed")
    assert (report.kind, report.interface, report.expectation) == ("renewed", 7, expectation)


class Ports(LineParser):
    """`quit` ends the inspection, any other line is a port of the server."""

    def line(self, line: bytes, reply: bool) -> Iterator[Event]:
        if line == b"quit\n":
            yield Done("quit")
        else:
            yield Expect(self.flow.client, self.flow.server.at(int(line)))


PORTS = Helper("ports", "tcp", [7], Ports, [Policy("data", max=8)])


@pytest.mark.parametrize(
    ("packets", "opened"),
    [
        ([b"4000\n4001\n"], [4000, 4001]),
        ([b"4000\nquit\n4001\n"], [4000]),
        ([b"4000\nquit\n", b"4001\n"], [4000]),
        ([b"quit\nnot a port\n"], []),
    ],
)
def test_nothing_opens_after_done(packets: list[bytes], opened: list[int]) -> None:
    flow = Connection(PORTS, "tcp", "10.0.1.2:40000", "10.0.2.2:7")
    for packet in packets:
        flow.s(packet)
    assert flow.expected == [f"10.0.1.2 > 10.0.2.2:{port}" for port in opened]
    assert "failed" not in [note.kind for note in flow.notes]
