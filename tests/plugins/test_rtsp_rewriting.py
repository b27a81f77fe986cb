"""RTSP through the engine: what NAT rewrites in either direction."""

from __future__ import annotations

from errno import EEXIST

import pytest
from connection import Connection, FakeMaker, show
from fwhelpers_plugins.rtsp import fwhelpers_helpers
from media import text_of
from rtsp_messages import request, response

from fwhelpers.engine.guard import Limits
from fwhelpers.engine.inspector import Active
from fwhelpers.kernel.expect import Expectation

(RTSP,) = fwhelpers_helpers()
CLIENT, SERVER = "10.0.1.2:40000", "10.0.2.2:554"
PAIR = "RTP/AVP;unicast;client_port=5000-5001"


def connection(taken: tuple[int, ...] = (), address: str = "peer", **visible: str) -> Connection:
    def errors(expectation: Expectation) -> int:
        return EEXIST if expectation.tuple.dport in taken else 0

    active = Active(RTSP, {}, Limits(address=address))
    maker = FakeMaker(errors=errors)
    return Connection(RTSP, "tcp", CLIENT, SERVER, maker=maker, active=active, **visible)  # type: ignore[arg-type]


def opened(flow: Connection) -> list[tuple[str, int]]:
    return [(show(e.tuple), e.nat.sport if e.nat else 0) for e in flow.maker.created]


def test_a_client_behind_nat_whose_ports_are_free() -> None:
    flow = connection(seen_client="192.0.2.1:50000")
    assert text_of(flow.c(request("SETUP", 1, PAIR)), "tcp") == b""
    assert opened(flow) == [
        ("10.0.2.2 > 192.0.2.1:5000", 5000),
        ("10.0.2.2 > 192.0.2.1:5001", 5001),
    ]


def test_a_client_behind_nat_whose_ports_are_taken() -> None:
    flow = connection((5001,), seen_client="192.0.2.1:50000")
    moved = PAIR.replace("5000-5001", "5002-5003")
    assert text_of(flow.c(request("SETUP", 1, PAIR)), "tcp") == request("SETUP", 1, moved)
    assert opened(flow)[-2:] == [
        ("10.0.2.2 > 192.0.2.1:5002", 5000),
        ("10.0.2.2 > 192.0.2.1:5003", 5001),
    ]
    # the server's response names the ports that it was asked for
    answer = text_of(flow.s(response(200, 1, f"{moved};server_port=6970-6971")), "tcp")
    assert answer == response(200, 1, f"{PAIR};server_port=6970-6971")


def test_a_destination_is_translated() -> None:
    flow = connection(seen_client="192.0.2.1:50000")
    text = request("SETUP", 1, f"{PAIR};destination=10.0.1.2")
    outside = request("SETUP", 1, f"{PAIR};destination=192.0.2.1")
    assert text_of(flow.c(text), "tcp") == outside


def test_rule_20_a_server_behind_nat() -> None:
    flow = connection(seen_server="198.51.100.9:554")
    flow.c(request("SETUP", 1, PAIR))
    answer = flow.s(response(200, 1, f"{PAIR};source=10.0.2.2;server_port=6970-6971"))
    outside = response(200, 1, f"{PAIR};source=198.51.100.9;server_port=6970-6971")
    assert text_of(answer, "tcp") == outside
    assert opened(flow)[-2:] == [
        ("10.0.1.2 > 198.51.100.9:6970", 6970),
        ("10.0.1.2 > 198.51.100.9:6971", 6971),
    ]


@pytest.mark.parametrize("by_server", [False, True])
@pytest.mark.parametrize(
    "nat", [{}, {"seen_client": "192.0.2.1:50000"}, {"seen_server": "198.51.100.9:554"}]
)
def test_either_end_s_teardown_deletes_both_ends_expectations(
    nat: dict[str, str], by_server: bool
) -> None:
    flow = connection(**nat)
    flow.c(request("SETUP", 1, PAIR))
    flow.s(response(200, 1, f"{PAIR};server_port=6970-6971", "1"))
    flow.now += 10
    flow.say(request("TEARDOWN", 2, session="1"), by_server)
    flow.say(response(200, 2), not by_server)
    gone = {tuple_.dport for tuple_ in flow.maker.deleted + flow.maker.released}
    assert gone >= {5000, 5001, 6970, 6971}


def test_a_single_port_and_the_next_move_together() -> None:
    flow = connection((5001,), seen_client="192.0.2.1:50000")
    asked = "RTP/AVP;unicast;client_port=5000"
    text = text_of(flow.c(request("SETUP", 1, asked)), "tcp")
    assert text == request("SETUP", 1, asked.replace("5000", "5002"))
    assert [port for _, port in opened(flow)[-2:]] == [5000, 5001]


@pytest.mark.parametrize("nat", [{}, {"seen_client": "192.0.2.1:50000"}])
def test_a_media_server_of_its_own_and_its_end(nat: dict[str, str]) -> None:
    flow = connection(address="announced", **nat)
    flow.c(request("SETUP", 1, PAIR))
    flow.s(response(200, 1, f"{PAIR};source=10.0.2.7;server_port=6970-6971", "1"))
    own = "192.0.2.1" if nat else "10.0.1.2"
    assert {show(e.tuple) for e in flow.maker.created} == {
        f"10.0.2.2 > {own}:5000", f"10.0.2.2 > {own}:5001",
        f"10.0.2.7 > {own}:5000", f"10.0.2.7 > {own}:5001",
        "10.0.1.2 > 10.0.2.7:6970", "10.0.1.2 > 10.0.2.7:6971",
    }  # fmt: skip
    flow.now += 10
    flow.maker.released.clear()
    flow.c(request("TEARDOWN", 2, session="1"))
    flow.s(response(200, 2))
    ended = flow.maker.deleted + flow.maker.released
    assert set(map(show, ended)) == {show(e.tuple) for e in flow.maker.created}


def test_without_nat_nothing_is_rewritten() -> None:
    flow = connection()
    assert text_of(flow.c(request("SETUP", 1, PAIR)), "tcp") == b""
    answer = flow.s(response(200, 1, f"{PAIR};source=10.0.2.2;server_port=6970-6971"))
    assert text_of(answer, "tcp") == b""
