"""Amanda, as a play; what conntrackd and the kernel get wrong is in test_amanda_conntrackd.py."""

from __future__ import annotations

import pytest
from amanda_messages import (
    CONNECT,
    HANDLE,
    PORTS,
    SEQ,
    ack,
    nak,
    prep,
    rep,
    req,
)
from fwhelpers_plugins.amanda import MAX_PENDING, SERVICES, fwhelpers_helpers
from fwhelpers_plugins.amanda.packets import MAX_STREAMS
from hypothesis import given
from hypothesis import strategies as st

from fwhelpers.api import Endpoint, Expect, ParseError, Refuse
from fwhelpers.testing import Playbook, client, server
from fwhelpers.testing.invariants import check, check_restart
from fwhelpers.testing.playbook import Message

(AMANDA,) = fwhelpers_helpers()

# few requests, so that replies find theirs, and so that two of them are all that a restart has to keep
handles = st.sampled_from([HANDLE, "000-00000001"])
services = st.sampled_from([*SERVICES, "noop", "selfcheck", "sendsize"])
bodies = st.one_of(
    st.sampled_from(
        [
            CONNECT, "CONNECT DATA 50010\n", "CONNECT MESG 50010\n", "CONNECT CTL 50010 DATA 50011\n", "OPTIONS ;\n",
            "", "CONNECT DATA 50047 MESG 499999 INDEX -1\n", "CONNECT DATA 50010", "CONNECT DATA 0 MESG 65536\n",
        ]
    ),
    st.text("CONET DATMSGIX-0123456789\n", max_size=60).map("CONNECT".__add__),
)  # fmt: skip
asking = st.one_of(st.builds(req, services, handles), st.builds(ack, handles))
answering = st.one_of(
    st.builds(rep, bodies, handles), st.builds(prep, bodies, handles), st.builds(nak, handles), st.builds(ack, handles)
)  # fmt: skip
anything = st.one_of(
    asking, answering, st.binary(max_size=80), st.binary(max_size=60).map(b"Amanda 3.5 ".__add__)
)
scripts = st.lists(
    st.one_of(
        st.builds(Message, asking, st.just(False)), st.builds(Message, answering, st.just(True)),
        st.builds(Message, anything, st.booleans()),
    ),
    max_size=12,
)  # fmt: skip


@given(scripts, st.sampled_from([4, 6]))
def test_fuzz(script: list[Message], family: int) -> None:
    outcome = check(AMANDA, script, family=family)
    assert "ParseError" not in outcome


@given(scripts)
def test_another_worker_can_take_over_at_any_time(script: list[Message]) -> None:
    check_restart(AMANDA, script)


def asked(service: str = "sendbackup", family: int = 4) -> Playbook:
    return Playbook(AMANDA, family=family) >> client(req(service))


def to(play: Playbook, name: str, port: int, service: str = "sendbackup") -> Expect:
    return Expect(play.client, play.server.at(port), "tcp", trigger=f"{service} {name}")


def opens(play: Playbook, service: str = "sendbackup", **ports: int) -> Playbook:
    for name, port in ports.items():
        play << to(play, name, port, service)
    return play


# what opens


@pytest.mark.parametrize("family", [4, 6])
def test_all_streams_at_their_own_ports(family: int) -> None:
    play = asked(family=family) >> server(ack()) >> server(rep())
    assert opens(play, **PORTS) >> client(ack())


@pytest.mark.parametrize("service", SERVICES)
def test_each_services_streams(service: str) -> None:
    ports = {name: 50000 + number for number, name in enumerate(sorted(SERVICES[service]))}
    answer_text = "CONNECT" + "".join(f" {name} {port}" for name, port in ports.items()) + "\n"
    play = asked(service) >> server(rep(answer_text))
    assert len(ports) <= MAX_STREAMS
    assert opens(play, service, **ports)


def test_a_stream_that_is_not_used() -> None:
    play = asked() >> server(rep("CONNECT DATA 50010 MESG 50011 INDEX -1\nOPTIONS ;\n"))
    assert opens(play, DATA=50010, MESG=50011)


def test_bsdudp_has_one_port_and_numbers_that_are_none() -> None:
    answer_text = "CONNECT DATA 50047 MESG 499999 INDEX 499998 STATE 499997\n"
    assert opens(asked() >> server(rep(answer_text)), DATA=50047)


@pytest.mark.parametrize(
    "request_", [req(version="2.4"), req(rest=""), req(seq="-5"), req(handle="00C-A0B1")]
)
def test_ways_to_ask(request_: bytes) -> None:
    play = Playbook(AMANDA) >> client(request_)
    head = request_.splitlines(keepends=True)[0].replace(b"REQ", b"REP")
    assert opens(play >> server(head + CONNECT.encode()), **PORTS)


@pytest.mark.parametrize("service", ["noop", "selfcheck", "sendsize", "senddiscover", "sh"])
def test_services_without_streams(service: str) -> None:
    assert asked(service) >> server(rep("OPTIONS features=ff;\n"))
    assert asked(service) >> server(rep()) << Refuse("G4", "REP: no REQ is waiting for it")


def test_errors_open_nothing() -> None:
    assert asked() >> server(rep("ERROR [no such disk]\nCONNECT DATA 50010\n")) >> client(ack())


def test_many_requests_from_one_socket() -> None:
    play = Playbook(AMANDA)
    for number in range(50):
        handle = f"000-{number:08x}"
        (
            play
            >> client(req("noop", handle))
            >> server(rep("OPTIONS ;\n", handle))
            >> client(ack(handle))
        )
        handle = f"001-{number:08x}"
        play >> client(req(handle=handle)) >> server(rep(handle=handle))
        opens(play, **PORTS) >> client(ack(handle))
    assert play


def test_requests_in_between_do_no_harm() -> None:
    play = asked()
    for number in range(MAX_PENDING - 1):
        play >> client(req(handle=f"001-{number:08x}"))
    assert opens(play >> server(rep()), **PORTS)


def test_too_many_requests_push_out_the_oldest() -> None:
    play = asked()
    for number in range(MAX_PENDING):
        play >> client(req(handle=f"001-{number:08x}"))
    assert play >> server(rep()) << Refuse
    assert opens(play >> server(rep(handle="001-00000000")), **PORTS)


# solicitation


@pytest.mark.parametrize(
    "answer_text",
    [rep(handle="000-00000001"), rep(seq="1795378738"), rep(handle=HANDLE + "0"), rep(handle="0")],
)
def test_a_reply_to_another_request(answer_text: bytes) -> None:
    assert asked() >> server(answer_text) << Refuse("G4", "REP: no REQ is waiting for it")


def test_a_reply_to_nothing() -> None:
    assert Playbook(AMANDA) >> server(rep()) << Refuse("G4", "REP: no REQ is waiting for it")


def test_the_requesters_side_announces_nothing() -> None:
    assert asked() >> client(rep()) >> client(prep(CONNECT))


def test_the_asked_side_asks_for_nothing() -> None:
    assert Playbook(AMANDA) >> server(req()) >> server(rep()) << Refuse


def test_a_preliminary_reply_opens_nothing() -> None:
    # it carries the numbers of amandad's own pipes
    play = asked() >> server(prep("CONNECT DATA 500000 MESG 500001\n")) >> server(prep(CONNECT))
    assert opens(play >> server(rep()), **PORTS)


def test_a_reply_sent_again_until_it_is_acknowledged() -> None:
    play = asked() >> server(rep())
    opens(play, **PORTS) >> server(rep())
    opens(play, **PORTS) >> client(ack()) >> server(rep())
    assert play << Refuse("G4", "REP: no REQ is waiting for it")


def test_a_second_reply_that_says_something_else() -> None:
    play = opens(asked() >> server(rep()), **PORTS) >> server(rep("CONNECT DATA 50099\n"))
    assert play << Refuse("G4", "REP: no REQ is waiting for it")


def test_a_request_sent_again_asks_for_the_same_reply() -> None:
    play = opens(asked() >> client(req()) >> server(rep()), **PORTS) >> client(req())
    assert play >> server(rep("CONNECT DATA 50099\n")) << Refuse
    assert opens(play >> server(rep()), **PORTS)


def test_an_early_ack_of_the_requester_ends_nothing() -> None:
    assert opens(asked() >> client(ack()) >> server(rep()), **PORTS)


def test_a_refused_request() -> None:
    play = (
        asked() >> server(nak()) >> server(rep()) << Refuse("G4", "REP: no REQ is waiting for it")
    )
    assert opens(play >> client(req()) >> server(rep()), **PORTS)


# grammar


@pytest.mark.parametrize(
    "line",
    [
        "CONNECT\n", "CONNECT \n", "CONNECT DATA\n", "CONNECT DATA \n", "CONNECT DATA 50010", "CONNECT DATA 50010\r\n",
        "CONNECT DATA 50010 \n", "CONNECT  DATA 50010\n", "CONNECT\tDATA 50010\n", "CONNECT DATA 50010 MESG\n",
        "CONNECT DATA 050010\n", "CONNECT DATA +50010\n", "CONNECT DATA -2\n", "CONNECT DATA -0\n",
        "CONNECT DATA 0x50\n", "CONNECT DATA 1e4\n", "CONNECT DATA 5001000\n", "CONNECT DATA 4294967376\n",
        "CONNECT DATA 50010;\n",
        "CONNECT data 50010\n", "CONNECT DATA 50010 DATA 50011\n", "CONNECT 50010\n", "CONNECTED\n", "CONNECT DATA ٥\n",
        "CONNECT" + "".join(f" {chr(65 + n)} 5001{n}" for n in range(MAX_STREAMS + 1)) + "\n",
    ],
)  # fmt: skip
def test_a_line_that_is_no_list_of_streams(line: str) -> None:
    play = asked() >> server(rep(line)) << Refuse
    assert isinstance(play.last, Refuse)
    assert play.last.rule == "G11"
    assert opens(play >> server(rep()), **PORTS)


def test_a_stream_that_the_service_has_not() -> None:
    play = asked("amindexd") >> server(rep("CONNECT DATA 50010 MESG 50011\n"))
    play << Refuse("G11", "REP: amindexd has no stream DATA", play.server.at(50010))
    assert opens(play, "amindexd", MESG=50011)


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\n", b"Amanda", CONNECT.encode(), rep()[1:], rep().lower(), rep().replace(b"Amanda ", b"Amanda  "),
        rep().replace(b" HANDLE ", b" ") , rep().replace(b"3.5", b"3"), rep().replace(b"REP", b"RES"),
        rep().replace(SEQ.encode(), b""), rep().replace(SEQ.encode(), b"12345678901"), rep(seq=SEQ + " "),
        rep(handle="a b"), rep(handle=""), rep(handle="0" * 65), b"x\n" + rep(), b"\0" + rep(),
    ],
)  # fmt: skip
def test_what_is_no_datagram_of_amandas(data: bytes) -> None:
    play = asked() >> server(data) >> client(data.replace(b"REP", b"REQ"))
    assert opens(play >> server(rep()), **PORTS)


@pytest.mark.parametrize(
    "body", ["", "SERVICE sendbackup\n", "SECURITY USER backup\n", "SECURITY USER backup\n\nSERVICE sendbackup\n",
             "SECURITY TICKET 00\nSERVICE sendbackup\n", "SECURITY USER backup\nSERVICE send backup\n",
             "SECURITY USER backup\nSERVICE sendbackup"],
)  # fmt: skip
def test_a_request_that_asks_for_no_service(body: str) -> None:
    assert Playbook(AMANDA) >> client(req(body=body)) >> server(rep()) << Refuse


# rewriting


@pytest.mark.parametrize("port", [1024, 65535])
def test_each_port_is_rewritten_alone(port: int) -> None:
    play = asked() >> server(rep())
    for name, old in PORTS.items():
        play << to(play, name, old)
        new = play.rewritten(Endpoint.parse("10.0.1.1", port), reply=True)
        assert new == rep().replace(f" {name} {old}".encode(), f" {name} {port}".encode())


# state


def test_a_worker_takes_over_between_request_and_reply() -> None:
    play = asked() >> client(req("amindexd", "000-00000001"))
    play = play.restart() >> server(rep())
    opens(play, **PORTS)
    play >> server(rep("CONNECT MESG 50020\n", "000-00000001"))
    assert opens(play, "amindexd", MESG=50020)


def test_a_worker_takes_over_between_reply_and_ack() -> None:
    play = opens(asked() >> server(rep()), **PORTS).restart()
    play >> server(rep("CONNECT DATA 50099\n")) << Refuse
    assert opens(play >> server(rep()), **PORTS)


@pytest.mark.parametrize(
    "state", [b"\1", bytes(11), bytes(6) + b"\x06\0\0\0", bytes(6) + b"\xff\0\0\0"]
)
def test_stored_nonsense(state: bytes) -> None:
    with pytest.raises(ParseError):
        Playbook(AMANDA)._parser.restore(state)


def test_declaration() -> None:
    assert AMANDA.spec
    assert AMANDA.doc
    assert AMANDA.kernel_name == "fw-amanda"
    (policy,) = AMANDA.policies
    assert (AMANDA.ports, policy.max, policy.timeout) == ([10080], MAX_STREAMS, 60)
