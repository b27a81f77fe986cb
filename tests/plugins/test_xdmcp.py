"""XDMCP sessions: the manager may open windows on the display that asked it, and nowhere else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from xdmcp_messages import (
    OTHER,
    SESSION,
    XDMCP,
    accept,
    alive,
    declined,
    failed,
    keep_alive,
    manage,
    packet,
    refused,
    request,
    windows,
)

from fwhelpers import config
from fwhelpers.api import Cancel, Endpoint, Keep, Refuse, Rewrite
from fwhelpers.testing import Playbook, client, server
from fwhelpers.testing.invariants import Announced, check, check_restart
from fwhelpers.testing.playbook import CLIENT, Message

OWN = CLIENT[4].addr
sessions = st.sampled_from([0, 1, SESSION])
packets = st.one_of(
    st.builds(request, st.sampled_from([OWN, b"", OTHER]), st.integers(0, 65535)),
    st.builds(accept, sessions),
    st.builds(alive, sessions, st.integers(0, 255)),
    st.builds(failed, sessions),
    st.builds(manage, sessions),
    st.builds(packet, st.integers(0, 15), st.binary(max_size=20)),
    st.binary(max_size=20),
)
plays = st.lists(st.builds(Message, packets, st.booleans()), max_size=8)


def accepted(family: int = 4, **settings: int) -> Playbook:
    play = Playbook(XDMCP, family=family, **settings)
    play >>= client(request(play.client.addr))
    return play << Rewrite >> server(accept())


@given(plays, st.sampled_from([4, 6]))
def test_fuzz(script: list[Message], family: int) -> None:
    for item in check(XDMCP, script, "udp", family):
        if isinstance(item, Announced):
            assert item.server.addr == CLIENT[family].addr
            assert 6000 <= item.server.port <= 6063


@given(plays)
def test_another_worker_can_take_over(script: list[Message]) -> None:
    check_restart(XDMCP, script, "udp")


@pytest.mark.parametrize("family", [4, 6])
def test_a_session_opens_the_display(family: int) -> None:
    play = accepted(family)
    assert play << windows(play) << Keep(43200) >> client(manage())


def test_the_session_is_renewed_while_it_runs() -> None:
    play = accepted(session=600)
    play = (
        play << windows(play, seconds=600) << Keep(600) >> client(keep_alive()) >> server(alive())
    )
    assert play << windows(play, trigger="Alive", seconds=600) << Keep(600)


@pytest.mark.parametrize("end", [alive(running=0), failed(), refused()])
def test_the_end_closes_the_display(end: bytes) -> None:
    play = accepted() << windows(accepted()) << Keep(43200)
    assert play >> server(end) << Cancel() >> server(alive()) >> server(accept())


@pytest.mark.parametrize(
    "message",
    [failed(7), refused(7), declined(), packet(11, b""), packet(12, b"\0"), alive(7)],
)
def test_what_ends_no_session_closes_nothing(message: bytes) -> None:
    """A forger who knows the addresses does not know the session; Decline answers a Request."""
    play = accepted() << windows(accepted()) << Keep(43200) >> server(message)
    assert play >> server(alive()) << windows(play, trigger="Alive") << Keep(43200)


def test_the_display_is_closed_when_the_next_session_is_declined() -> None:
    """The X server begins again after a log-out, with the former session's port open for hours."""
    play = accepted() << windows(accepted()) << Keep(43200)
    play = play >> client(request(OWN)) << Rewrite >> server(declined()) << Cancel()
    assert play >> server(declined()) >> server(accept())


def test_another_session_renews_nothing() -> None:
    play = accepted() << windows(accepted()) << Keep(43200)
    assert play >> server(alive(session=7))


def test_only_what_was_asked_for_is_accepted() -> None:
    play = Playbook(XDMCP)
    assert play >> server(accept()) >> client(accept()) >> server(request(OWN)) >> server(accept())


def test_own_addresses_are_rewritten() -> None:
    play = Playbook(XDMCP)
    data = request(OWN, others=(OTHER, OWN))
    first, second = data.index(OWN), data.rindex(OWN)
    own = Endpoint(OWN)

    def text(at: int) -> Rewrite:
        return Rewrite(own, (at, at + 4), lambda end: end.addr)

    assert play >> client(data) << text(first) << text(second)


@pytest.mark.parametrize("display", [64, 100, 65535])
def test_displays_are_few(display: int) -> None:
    assert Playbook(XDMCP) >> client(request(OWN, display)) << Refuse >> server(accept())


@pytest.mark.parametrize(
    "data",
    [b"", b"\0\1\0\7\0", packet(7, b"", version=2), packet(7, b"\0\1\0"), packet(7, b"\0\1\x09\0\0"),
     packet(7, b"\0\1\0\2\0\1x"), packet(7, b"\0\1\0\1\0\4ab"), b"GET / HTTP/1.1"],
)  # fmt: skip
def test_other_bytes_open_nothing(data: bytes) -> None:
    play = Playbook(XDMCP) >> client(data)
    if data[2:4] == b"\0\7" and data[:2] == b"\0\1" and len(data) > 5:
        play = play << Refuse
    assert play >> server(accept())


def test_a_wrong_length_is_ignored_as_by_managers() -> None:
    assert Playbook(XDMCP) >> client(request(OWN) + b"x") >> server(accept())


@pytest.mark.parametrize(
    ("value", "valid"), [("60", True), ("86400", True), ("59", False), ("true", False)]
)
def test_the_length_of_a_session(value: str, valid: bool) -> None:
    draft = config.parse([("f", f"[helpers.xdmcp-x11]\nsession = {value}")])
    if valid:
        assert config.resolve(draft, {"xdmcp-x11": XDMCP})
    else:
        with pytest.raises(config.ConfigError, match="seconds from 60 to 86400"):
            config.resolve(draft, {"xdmcp-x11": XDMCP})
