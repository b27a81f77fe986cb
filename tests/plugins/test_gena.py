"""GENA, as a play and through the real engine."""

from __future__ import annotations

from errno import EBUSY, EEXIST

import gena_messages as m
import pytest
from connection import Connection, FakeMaker, payload_of
from fwhelpers_plugins.gena import LONGEST, MAX_BULK, MAX_PENDING, fwhelpers_helpers
from hypothesis import given
from hypothesis import strategies as st

from fwhelpers.api import Cancel, Done, Endpoint, Expect, ParseError, Refuse
from fwhelpers.engine.inspector import Active, Inspector
from fwhelpers.kernel.conntrack import IPS_FIXED_TIMEOUT
from fwhelpers.testing import Playbook, client, server
from fwhelpers.testing.invariants import check
from fwhelpers.testing.playbook import Said

(GENA,) = fwhelpers_helpers()

requests = st.one_of(
    st.sampled_from(
        [
            m.subscribe(),
            m.renew(),
            m.unsubscribe(),
            m.GET,
            m.subscribe(b"<http://h/><http://10.0.1.2/>"),
        ]
    ),
    st.binary(max_size=60).map(m.subscribe),
    st.binary(max_size=40),
)
responses = st.one_of(
    st.sampled_from([m.accepted(), m.OK, m.NO, m.DESCRIPTION, m.CHUNKS, m.accepted(b"infinite")]),
    st.binary(max_size=30).map(m.accepted),
    st.binary(max_size=40),
)
scripts = st.lists(
    st.one_of(st.builds(Said, requests, st.just(False)), st.builds(Said, responses, st.just(True))),
    max_size=10,
)


@given(scripts, st.sampled_from([4, 6]), st.integers(0, 50))
def test_fuzz(script: list[Said], family: int, seed: int) -> None:
    check(GENA, script, family=family, seed=seed)


def events(play: Playbook, port: int = 49200, **given: object) -> Expect:
    made = {
        "policy": "event",
        "permanent": True,
        "confirms_peer": True,
        "keep_after_master": True,
        "what": "events",
    } | given
    return Expect(play.server, play.client.at(port), **made)  # type: ignore[arg-type]


def asked(play: Playbook, port: int = 49200) -> Expect:
    return Expect(
        play.server,
        play.client.at(port),
        policy="event",
        permanent=True,
        timeout=30,
        what="SUBSCRIBE",
    )


def subscribed() -> Playbook:
    play = Playbook(GENA) >> client(m.subscribe())
    return play << asked(play) >> server(m.accepted()) << events(play, timeout=1860)


def test_a_subscription() -> None:
    assert subscribed()


def test_ipv6() -> None:
    play = Playbook(GENA, family=6) >> client(m.subscribe(b"<http://[fd01::2]:49200/>"))
    assert play << asked(play) >> server(m.accepted()) << events(play, timeout=1860)


@pytest.mark.parametrize(
    ("timeout", "seconds"),
    [
        (b"Second-300", 360), (b"second-300", 360), (b"Second-86400", LONGEST), (b"Second-999999", LONGEST),
        (b"Second-infinite", LONGEST), (b"infinite", LONGEST), (b"Second-" + b"9" * 40, LONGEST), (b"Second-0", 60),
    ],
)  # fmt: skip
def test_for_how_long(timeout: bytes, seconds: int) -> None:
    play = Playbook(GENA) >> client(m.subscribe()) << Expect
    assert play >> server(m.accepted(timeout)) << events(play, timeout=seconds)


def test_a_response_that_does_not_say_for_how_long() -> None:
    play = Playbook(GENA) >> client(m.subscribe()) << Expect
    assert play >> server(m.head(b"HTTP/1.0 200 OK", SID=m.SID)) << events(play, timeout=1860)


@pytest.mark.parametrize(
    "response", [m.NO, m.OK, m.head(b"HTTP/1.1 503 Busy", SID=m.SID, CONTENT_LENGTH=b"0")]
)
def test_without_a_200_and_a_sid_the_way_is_closed_again(response: bytes) -> None:
    play = Playbook(GENA) >> client(m.subscribe()) << Expect
    play = play >> server(response) << Cancel
    assert isinstance(play.last, Cancel)
    assert play.last.want
    assert play.last.want.server == play.client.at(49200)
    assert play


def test_renewal_and_end() -> None:
    play = subscribed() >> client(m.renew()) >> server(m.accepted(b"Second-600"))
    play = play << events(play, timeout=660) >> client(m.unsubscribe()) >> server(m.OK) << Cancel
    # what has ended can't be renewed
    assert play >> client(m.renew()) >> server(m.accepted())


def test_a_renewal_that_is_refused() -> None:
    play = subscribed() >> client(m.renew()) >> server(m.NO) << Cancel
    assert play >> client(m.renew()) >> server(m.accepted())


def test_a_subscription_that_is_not_known_is_not_renewed() -> None:
    assert Playbook(GENA) >> client(m.renew()) >> server(m.accepted())


@pytest.mark.parametrize(
    ("callback", "port"),
    [
        (b"<http://10.0.1.2:49200/><http://10.0.1.2:49201/>", 49200),
        (b"<http://pc.lan:1/><http://10.0.1.2:49201/>", 49201),
        (b"<http://[fd01::2]:1/> <http://10.0.1.2:49201/a%20b>", 49201), (b"<http://10.0.1.2/>", 80),
    ],
)  # fmt: skip
def test_callbacks(callback: bytes, port: int) -> None:
    play = Playbook(GENA) >> client(m.subscribe(callback))
    assert play << asked(play, port)


@pytest.mark.parametrize(
    "callback",
    [
        b"http://10.0.1.2:49200/",
        b"<>",
        b"<http://pc.lan/>",
        b"<https://10.0.1.2/>",
        b"<http://[fd01::2]:1/>",
    ],
)
def test_callbacks_without_an_address(callback: bytes) -> None:
    play = Playbook(GENA) >> client(m.subscribe(callback)) << Refuse
    assert play >> server(m.accepted())


@pytest.mark.parametrize(
    "request_", [m.subscribe(NT=b"upnp:propchange"), m.subscribe(SID=m.SID), m.renew(NT=b"upnp:event"),
                 m.head(b"SUBSCRIBE / HTTP/1.1", CALLBACK=b"<http://10.0.1.2:1/>"),
                 m.head(b"NOTIFY / HTTP/1.1", SID=m.SID)],
)  # fmt: skip
def test_requests_that_subscribe_to_nothing(request_: bytes) -> None:
    assert Playbook(GENA) >> client(request_) >> server(m.accepted())


def test_the_other_direction_subscribes_to_nothing() -> None:
    assert Playbook(GENA) >> server(m.subscribe()) << ParseError


def test_within_a_body_nothing_is_read() -> None:
    # NAT slipstreaming: a web page can have a browser post what it likes
    body = m.subscribe()
    post = m.head(b"POST / HTTP/1.1", CONTENT_LENGTH=b"%d" % len(body)) + body
    assert Playbook(GENA) >> client(post) >> server(m.accepted())


def test_responses_belong_to_requests_in_turn() -> None:
    play = Playbook(GENA) >> client(m.GET, m.head(b"HEAD / HTTP/1.1"), m.subscribe()) << Expect
    play = play >> server(m.DESCRIPTION, m.head(b"HTTP/1.1 200 OK", CONTENT_LENGTH=b"500"))
    play = play >> server(m.head(b"HTTP/1.1 100 Continue"))
    assert play >> server(m.accepted()) << events(play, timeout=1860)


def test_too_many_requests() -> None:
    assert Playbook(GENA) >> client(m.GET * MAX_PENDING) >> client(m.GET) << ParseError


def test_music_leaves_the_queue() -> None:
    play = Playbook(GENA) >> client(m.GET)
    play = play >> server(m.head(b"HTTP/1.1 200 OK", CONTENT_LENGTH=b"100000000"), bytes(MAX_BULK))
    assert play >> server(b"x") << Done


def test_another_protocol_from_here_on() -> None:
    assert Playbook(GENA) >> client(m.GET) >> server(m.head(b"HTTP/1.1 101 Switching")) << Done


@pytest.mark.parametrize(
    "data",
    [b"\x16\3\1\0\n", b"SSH-2.0-x\r\n", b"get / HTTP/1.1\r\n\r\n", b"GET / HTTP/2.0\r\n\r\n"],
)
def test_what_begins_otherwise_is_not_it(data: bytes) -> None:
    play = Playbook(GENA) >> client(data + b"\r\n\r\n")
    assert play << ParseError


# through the engine


def connection(
    ends: tuple[str, str] = ("10.0.1.2:40000", "10.0.2.2:49152"), **given: object
) -> Connection:
    return Connection(GENA, "tcp", *ends, **given)  # type: ignore[arg-type]


def test_the_expectation() -> None:
    c = connection()
    c.c(m.subscribe())
    verdict = c.s(m.accepted())
    assert set(c.expected) == {"10.0.2.2 > 10.0.1.2:49200"}
    made = c.maker.made[-1]
    assert (made.flags, made.timeout, made.klass, made.helper) == (1, 1860, 0, "")
    # the connection ends with the response, and must not take the expectation along
    assert verdict.timeout == 1861
    assert verdict.status is not None
    assert verdict.status & IPS_FIXED_TIMEOUT


def test_a_connection_that_goes_on_lives_on() -> None:
    c = connection()
    c.c(m.subscribe())
    c.s(m.accepted(b"Second-300"))
    c.extra = {"status": 8 | 0x2000 | IPS_FIXED_TIMEOUT, "timeout": 20}
    c.now += 340
    verdict = c.c(m.GET)
    assert verdict.timeout == 601


def test_what_is_not_answered_is_withdrawn() -> None:
    c = connection()
    verdict = c.c(m.subscribe())
    assert verdict.status is None
    c.inspector.tick(c.now + 31)
    assert len(c.maker.deleted) == 1


def test_what_is_answered_stays() -> None:
    c = connection()
    c.c(m.subscribe())
    c.s(m.accepted())
    c.inspector.tick(c.now + 31)
    assert c.maker.deleted == []


@pytest.mark.parametrize(
    ("callback", "rule"),
    [
        (b"<http://10.0.1.3:49200/>", "G5"), (b"<http://127.0.0.1:49200/>", "G5"), (b"<http://10.0.1.2:22/>", "G6"),
        (b"<http://10.0.1.2:3306/>", "G6"), (b"<http://pc.lan:49200/>", "G11"),
    ],
)  # fmt: skip
def test_callstranger(callback: bytes, rule: str) -> None:
    """CVE-2020-12695: CALLBACK may name whom it likes, as far as devices go."""
    c = connection()
    c.c(m.subscribe(callback))
    c.s(m.accepted())
    assert c.expected == []
    assert rule in c.refused


def test_a_renewal_by_another_connection() -> None:
    c = connection()
    c.c(m.subscribe())
    c.s(m.accepted())
    d = connection(("10.0.1.2:40001", "10.0.2.2:49152"), inspector=c.inspector, maker=c.maker)
    d.now = c.now + 900
    d.c(m.renew())
    d.s(m.accepted())
    assert c.maker.made[-1].master == d.orig
    assert c.maker.made[-1].tuple == c.maker.made[0].tuple


def test_an_end_by_another_connection() -> None:
    c = connection()
    c.c(m.subscribe())
    c.s(m.accepted())
    d = connection(("10.0.1.2:40001", "10.0.2.2:49152"), inspector=c.inspector, maker=c.maker)
    d.c(m.unsubscribe())
    d.s(m.OK)
    assert c.maker.released == [c.maker.made[0].tuple]


def test_another_clients_sid_is_of_no_use() -> None:
    c = connection()
    c.c(m.subscribe())
    c.s(m.accepted())
    before = len(c.maker.made)
    d = connection(("10.0.1.3:40001", "10.0.2.2:49152"), inspector=c.inspector, maker=c.maker)
    d.c(m.unsubscribe())
    d.s(m.OK)
    d.c(m.renew())
    d.s(m.accepted())
    assert len(c.maker.made) == before
    assert c.maker.released == []


def test_behind_masquerading_the_callback_is_rewritten() -> None:
    c = connection(seen_client="192.0.2.9:1024")
    verdict = c.c(m.subscribe())
    assert b"CALLBACK: <http://192.0.2.9:49200/>\r\n" in payload_of(verdict)
    c.s(m.accepted())
    made = c.maker.made[-1]
    assert c.expected[-1] == "10.0.2.2 > 192.0.2.9:49200"
    assert made.nat
    assert (made.nat.src, made.nat.sport, made.fn) == (
        Endpoint.parse("10.0.1.2").addr, 49200, "nat-follow-master",
    )  # fmt: skip


def test_a_port_that_another_client_has_taken() -> None:
    maker = FakeMaker(errors=lambda e: EBUSY if e.tuple.dport == 49200 else 0)
    c = connection(seen_client="192.0.2.9:1024", maker=maker)
    assert b"<http://192.0.2.9:49201/>" in payload_of(c.c(m.subscribe()))
    c.now += 5
    c.s(m.accepted())
    assert [e.tuple.dport for e in maker.made] == [49201, 49201]


def test_ipv6_behind_masquerading_keeps_its_length() -> None:
    c = Connection(GENA, "tcp", "[fd01::2]:40000", "[fd02::2]:49152", seen_client="[fd02::9]:1024")
    request = m.subscribe(b"<http://[fd01::2]:49200/>")
    verdict = c.c(request)
    assert len(payload_of(verdict, 60)) == len(request)
    assert b"<http://[fd02::9]:49200/>" in payload_of(verdict, 60)


def test_an_equal_one_of_an_earlier_connection_is_taken_over() -> None:
    maker = FakeMaker(errors=lambda e: EEXIST)
    c = connection(maker=maker)
    c.c(m.subscribe())
    assert c.expected == ["10.0.2.2 > 10.0.1.2:49200"]


def test_flows_of_one_helper_share_a_memory() -> None:
    inspector = Inspector({"gena": Active(GENA)}, FakeMaker())
    first = connection(inspector=inspector)
    first.c(m.GET)
    second = connection(("10.0.1.2:40009", "10.0.2.2:49152"), inspector=inspector)
    second.c(m.GET)
    states = [state for _, state in inspector._flows.all()]
    assert states[0].parser.memory is states[1].parser.memory


def test_a_worker_that_takes_over_knows_the_subscriptions() -> None:
    c = connection()
    c.c(m.subscribe())
    c.s(m.accepted())
    successor = Inspector({"gena": Active(GENA)}, c.maker)
    successor.resume(c.inspector.hand_over())
    d = connection(("10.0.1.2:40001", "10.0.2.2:49152"), inspector=successor, maker=c.maker)
    d.now = c.now + 900
    d.c(m.renew())
    d.s(m.accepted())
    assert c.maker.made[-1].master == d.orig
