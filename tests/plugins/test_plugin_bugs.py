"""Bugs of a plugin, wherever the engine calls it: one flow ends, with a report, and its packets stay alike."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from connection import Connection, payload_of
from invented import C, S

from fwhelpers.api import DatagramParser, Event, Expect, Helper, LineParser, Parser
from fwhelpers.engine.inspector import Active, Inspector

ANNOUNCEMENT = b"OPEN 10.0.1.2\r\n"
GATEWAY = "198.51.100.1"


class Opens(LineParser):
    """`OPEN host` opens port 3000 there."""

    def line(self, line: bytes, reply: bool) -> Iterator[Event]:
        if line.startswith(b"OPEN "):
            yield Expect(
                self.flow.server,
                self.flow.client.at(3000),
                span=(5, len(line) - 2),
                encode=lambda end: end.host.encode(),
            )

    def save(self) -> bytes:
        return b"1"

    def restore(self, state: bytes) -> None:
        pass


class OpensByDatagram(DatagramParser):
    retransmits = True

    def datagram(self, data: bytes, reply: bool) -> Iterator[Event]:
        if not reply:
            yield Expect(self.flow.server, self.flow.client.at(3000))

    def save(self) -> bytes:
        return b"1"

    def restore(self, state: bytes) -> None:
        pass


BASES: Mapping[str, type[Parser]] = {"tcp": Opens, "udp": OpensByDatagram}


def helper_with_bug(l4: str, name: str, when: Callable[[], bool] = lambda: True) -> Helper:
    """A helper whose parser has a bug in a method, while `when` returns true."""
    base = BASES[l4]
    method = base.__dict__.get(name) or getattr(base, name)

    def fail(self: Parser, *arguments: Any) -> Any:
        if when():
            raise KeyError("bug")
        return method.fget(self) if isinstance(method, property) else method(self, *arguments)

    bug: Any = property(fail) if name == "buffered" else fail
    return Helper(
        "opens", l4, [7], type("Buggy", (base,), {name: bug}), client_announces=l4 == "tcp"
    )


def connection(helper: Helper, **arguments: str) -> Connection:
    return Connection(helper, helper.l4s[0], C, S, **arguments)


def kinds(flow: Connection) -> list[str]:
    return [note.kind for note in flow.notes if note.kind != "expected"]


PLACES = ["__init__", "feed", "save", "boundary", "buffered"]


@pytest.mark.parametrize("l4", BASES)
@pytest.mark.parametrize("place", PLACES)
def test_each_bug_is_reported_once_and_releases_the_flow(l4: str, place: str) -> None:
    if (l4, place) == ("udp", "boundary"):
        pytest.skip("a datagram is a whole message")
    flow = connection(helper_with_bug(l4, place))
    for data in (ANNOUNCEMENT, b"more\r\n"):
        verdict = flow.c(data)
        assert verdict.accept
        if verdict.done:  # the kernel queues nothing more of it
            break
    assert verdict.done
    assert kinds(flow) == ["failed"]
    assert "KeyError" in next(note.reason for note in flow.notes if note.kind == "failed")
    assert len(flow.maker.deleted) == len(flow.maker.created)


@pytest.mark.parametrize("place", ["save", "boundary", "buffered"])
def test_a_bug_after_rewriting_leaves_all_copies_alike(place: str) -> None:
    """The receiver must not get the text of the sender in one copy and the rewritten one in another."""
    is_buggy = False
    helper = helper_with_bug("tcp", place, lambda: is_buggy)
    flow = connection(helper, seen_client=f"{GATEWAY}:40000")
    flow.c(b"hello\r\n")
    seq = flow.seq[0]
    is_buggy = True
    first = flow.c(ANNOUNCEMENT)
    assert kinds(flow) == ["failed"]
    again = flow.send(flow.packet(ANNOUNCEMENT, False, seq=seq))
    assert (
        payload_of(first)
        == payload_of(again)
        == ANNOUNCEMENT.replace(b"10.0.1.2", GATEWAY.encode())
    )


@pytest.mark.parametrize("l4", BASES)
@pytest.mark.parametrize("place", ["__init__", "restore"])
def test_a_bug_with_stored_state_is_reported(l4: str, place: str) -> None:
    is_buggy = False
    helper = helper_with_bug(l4, place, lambda: is_buggy)
    flow = connection(helper)
    flow.c(b"hello\r\n")
    assert any(flow.info)
    is_buggy = True
    flow.inspector = Inspector({helper.kernel_name: Active(helper)}, flow.maker, flow.notes.append)
    assert flow.c(b"more\r\n").done
    assert kinds(flow) == ["failed"]


@pytest.mark.parametrize("place", ["__init__", "restore", "feed"])
def test_a_bug_costs_a_successor_one_flow_only(place: str) -> None:
    is_buggy = False
    buggy, sound = (
        helper_with_bug("tcp", place, lambda: is_buggy),
        Helper("sound", "tcp", [8], Opens),
    )
    flow = connection(buggy)
    inspector = Inspector(
        {h.kernel_name: Active(h) for h in (buggy, sound)}, flow.maker, flow.notes.append
    )
    flow.inspector = inspector
    other = Connection(sound, "tcp", "10.0.1.3:40000", "10.0.2.2:8", inspector=inspector)
    for each in (flow, other):
        each.c(b"hello\r\n")
        each.s(b"half a li")
    handover = inspector.hand_over()
    assert handover.count(b"half a li".hex().encode()) == 2
    is_buggy = True
    successor = Inspector(
        {h.kernel_name: Active(h) for h in (buggy, sound)}, flow.maker, flow.notes.append
    )
    successor.resume(handover)
    assert kinds(flow) == ["failed"]
    states = {state.helper: state.finished for _, state in successor._flows.all()}
    assert states[sound.kernel_name] == ""
