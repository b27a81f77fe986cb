"""rsh and rexec: the client's first bytes open one port for the server, and nothing else does."""

from __future__ import annotations

import pytest
from connection import Connection
from fwhelpers_plugins.rcmd import _encode, _fit
from hypothesis import given
from hypothesis import strategies as st
from rcmd_messages import PRIVILEGED, REXEC, REXEC_REST, RSH, RSH_REST, rsh, stderr

from fwhelpers.api import Done, Endpoint, ParseError, Refuse
from fwhelpers.engine.inspector import Active
from fwhelpers.testing import Playbook, client, server
from fwhelpers.testing.invariants import Announced, check, check_restart
from fwhelpers.testing.playbook import Message

numbers = st.one_of(
    st.integers(0, 99_999).map(lambda number: b"%d" % number),
    st.sampled_from([b"", b"0", b"00", b"01011", b"1011", b"512", b"511", b"1024", b"100000", b"-1", b"+9"]),
    st.binary(max_size=8),
)  # fmt: skip
openings = st.builds(lambda number, rest: number + b"\0" + rest, numbers, st.binary(max_size=30))
plays = st.lists(
    st.builds(Message, st.one_of(openings, st.binary(max_size=12)), st.booleans()), max_size=5
)


@given(plays, st.sampled_from([RSH, REXEC]), st.sampled_from([4, 6]), st.booleans())
def test_fuzz(script: list[Message], helper: object, family: int, privileged: bool) -> None:
    settings = {"privileged": privileged} if helper is RSH else None
    outcome = check(helper, script, "tcp", family, settings)  # type: ignore[arg-type]
    own = Playbook(REXEC, family=family).client.addr
    announced = [item for item in outcome if isinstance(item, Announced)]
    assert len(announced) <= 1
    for item in announced:
        assert item.server.addr == own
        assert helper is REXEC or (privileged and 512 <= item.server.port <= 1023)


@given(plays, st.sampled_from([RSH, REXEC]))
def test_another_worker_can_take_over(script: list[Message], helper: object) -> None:
    check_restart(helper, script, "tcp")  # type: ignore[arg-type]


@pytest.mark.parametrize("family", [4, 6])
def test_rsh_announces_a_privileged_port(family: int) -> None:
    play = rsh(family)
    assert play >> client(b"1011\0" + RSH_REST) << stderr(play, 1011, 4) << Done


def test_the_port_is_known_before_any_name(  # netkit sends the names when the server has connected
) -> None:
    play = rsh()
    assert play >> client(b"10") >> client(b"11\0") << stderr(play, 1011, 4) << Done


def test_privileged_ports_need_consent() -> None:
    play = rsh(privileged=False)
    reason = "port 1011 is privileged; privileged = true in [helpers.rsh] allows ports 512 to 1023"
    refusal = Refuse("G6", reason, play.client.at(1011))
    assert play >> client(b"1011\0" + RSH_REST) << refusal << Done


@pytest.mark.parametrize("number", [b"1", b"511", b"1024", b"5000", b"65536", b"99999"])
def test_rsh_announces_no_other_ports(number: bytes) -> None:
    assert rsh() >> client(number + b"\0") << Refuse << Done


def test_rexec_announces_any_port() -> None:
    play = Playbook(REXEC)
    assert play >> client(b"54645\0" + REXEC_REST) << stderr(play, 54645, 5, reserved=False) << Done


@pytest.mark.parametrize("number", [b"", b"0", b"00000"])
@pytest.mark.parametrize("helper", [RSH, REXEC], ids=["rsh", "rexec"])
def test_programs_without_stderr(helper: object, number: bytes) -> None:
    assert Playbook(helper) >> client(number + b"\0" + RSH_REST) << Done  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "opening",
    [b"POST / HTTP/1.1\r\n", b"\x16\x03\x01", b"100000", b"1011 \0", b"+1011\0", b"-1\0", b" 1011\0", b"\xb2\0",
     b"<34>Oct 11 syslog over tcp"],
)  # fmt: skip
@pytest.mark.parametrize("helper", [RSH, REXEC], ids=["rsh", "rexec"])
def test_other_protocols_are_given_up_at_once(helper: object, opening: bytes) -> None:
    assert Playbook(helper) >> client(opening) << ParseError  # type: ignore[arg-type]


def test_what_the_server_sends_opens_nothing() -> None:
    play = rsh()
    assert play >> server(b"1011\0") >> client(b"0\0") << Done


def test_only_the_first_number_counts() -> None:
    play = rsh()
    assert play >> client(b"1011\x001012\0") << stderr(play, 1011, 4) << Done
    assert play >> client(b"1013\0")


@given(st.integers(1, 65535), st.integers(0, 7))
def test_a_translated_number_keeps_its_length_or_not(port: int, size: int) -> None:
    end = Endpoint.parse("10.0.1.2", port)
    text = _fit(end, size)
    if text is None:
        assert size < len(str(port)) or size > 5
    else:
        assert len(text) == size
        assert int(text) == port
    assert int(_encode(end)) == port


def test_how_many_sessions_a_client_may_have() -> None:
    """As docs/protocols/rcmd.md says: each takes the next two ports below 1024, the second one for stderr."""
    active = Active(RSH, PRIVILEGED)
    refused: list[int] = []
    for session in range(1, 18):
        port = 1023 - 2 * (session - 1)
        c = Connection(RSH, "tcp", f"10.0.1.2:{port}", "10.0.2.2:514", active=active)
        c.c(b"%d\0" % (port - 1))
        if c.refused:
            refused.append(session)
    assert refused == [16, 17]
