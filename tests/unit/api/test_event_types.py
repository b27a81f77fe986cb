"""A value of a wrong type in an event is a bug of the plugin, and ends its flow, not the worker."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from connection import Connection

from fwhelpers.api import (
    Cancel,
    DatagramParser,
    Done,
    Drop,
    Endpoint,
    Event,
    Expect,
    Helper,
    Keep,
    ParseError,
    Refuse,
    Resize,
    Rewrite,
    Used,
)
from fwhelpers.api.event_types import check_event
from fwhelpers.testing import Playbook, server
from fwhelpers.testing.invariants import check
from fwhelpers.worker.messages import FlowReport, decode
from fwhelpers.worker.reporter import Reporter

END = Endpoint.parse("10.0.1.2", 4000)
TEXT = Endpoint("10.0.1.2", 4000)  # type: ignore[arg-type]
WRONG: list[tuple[Any, str]] = [
    (Expect(END, END, trigger=b"DATA"), "Expect.trigger must be str, not b'DATA'"),  # type: ignore[arg-type]
    (Expect(END, END, policy=0), "Expect.policy must be str, not 0"),  # type: ignore[arg-type]
    (Expect(END, END, timeout=2.5), "Expect.timeout must be int or None, not 2.5"),  # type: ignore[arg-type]
    (Expect(END, END, sport="53"), "Expect.sport must be int or None, not '53'"),  # type: ignore[arg-type]
    (Expect(END, ("10.0.1.2", 4000)), "Expect.server must be Endpoint"),  # type: ignore[arg-type]
    (Expect(END, TEXT), "Expect.server must have a packed address"),
    (Expect(END, END.at(b"4000")), "Expect.server must have a packed address"),  # type: ignore[arg-type]
    (Refuse("G4", None), "Refuse.reason must be str, not None"),  # type: ignore[arg-type]
    (Refuse("G4", "why", TEXT), "Refuse.endpoint must have a packed address"),
    (Done(b"QUIT"), "Done.reason must be str"),  # type: ignore[arg-type]
    (Drop(b"x"), "Drop.reason must be str"),  # type: ignore[arg-type]
    (Keep("60"), "Keep.seconds must be int"),  # type: ignore[arg-type]
    (Used(1), "Used.policy must be str"),  # type: ignore[arg-type]
    (Cancel(want=END), "Cancel.want must be Expect or None"),  # type: ignore[arg-type]
    (Rewrite(b"x", (0, 1), bytes), "Rewrite.endpoint must be Endpoint"),  # type: ignore[arg-type]
    (Done, "yielded the class Done instead of an object of it"),
    ("DATA", "yielded 'DATA', which is not an event"),
    (None, "yielded None, which is not an event"),
]


def helper_of(event: object) -> Helper:
    class Yields(DatagramParser):
        def datagram(self, data: bytes, reply: bool) -> list[Event]:
            if data == b"stop":
                raise ParseError("stop")
            return [event]  # type: ignore[list-item]

    return Helper("foo", "udp", [7], Yields)


@pytest.mark.parametrize(("event", "expected"), WRONG, ids=[text for _, text in WRONG])
def test_a_wrong_type_gives_up_the_flow_and_the_worker_reports_it(
    event: object, expected: str
) -> None:
    flow = Connection(helper_of(event), "udp", "10.0.1.2:40000", "10.0.2.2:7")
    assert flow.c(b"x").accept
    assert flow.maker.created == []
    (note,) = flow.notes
    assert note.kind == "failed"
    assert expected in note.reason
    manager, worker = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with manager, worker:
        reporter = Reporter(worker)
        reporter(note)
        reporter.send_reports()
        report = decode(manager.recv(65536))
    assert isinstance(report, FlowReport)
    assert expected in report.reason


@pytest.mark.parametrize("event", [event for event, _ in WRONG])
def test_the_tools_for_plugin_authors_find_it(event: object) -> None:
    with pytest.raises(TypeError):
        Playbook(helper_of(event)) >> server(b"x")
    with pytest.raises(TypeError):
        check(helper_of(event), [server(b"x")])


@pytest.mark.parametrize(
    "event",
    [Expect(END, END), Refuse("G4", "why"), Done(), Keep(60), Used(), Cancel(want=Expect(END, END)),
     Drop("why"), Resize((0, 1), (1, 2)), Rewrite(END, (0, 1), lambda end: b"")],
)  # fmt: skip
def test_right_types_pass(event: Event) -> None:
    check_event(event)


def test_an_unknown_policy_fails_in_the_playbook() -> None:
    with pytest.raises(AssertionError, match="no policy 'media'"):
        Playbook(helper_of(Expect(END, END, policy="media"))) >> server(b"x")
