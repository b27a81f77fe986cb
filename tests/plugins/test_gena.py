"""GENA, in playbooks and through the engine."""

from __future__ import annotations

from ipaddress import ip_network

import gena_messages as m
import pytest
from fwhelpers_plugins.gena import LONGEST, MAX_BULK, MAX_PENDING, fwhelpers_helpers
from hypothesis import given
from hypothesis import strategies as st

from fwhelpers.api import Cancel, Done, Endpoint, Expect, Flow, ParseError, Refuse
from fwhelpers.testing import Playbook, client, server
from fwhelpers.testing.invariants import check
from fwhelpers.testing.playbook import Message

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
    st.one_of(
        st.builds(Message, requests, st.just(False)), st.builds(Message, responses, st.just(True))
    ),
    max_size=10,
)


@given(scripts, st.sampled_from([4, 6]), st.integers(0, 50))
def test_fuzz(script: list[Message], family: int, seed: int) -> None:
    check(GENA, script, family=family, seed=seed)


def events(play: Playbook, port: int = 49200, **changes: object) -> Expect:
    fields = {
        "policy": "event",
        "permanent": True,
        "confirms_peer": True,
        "keep_after_master": True,
        "trigger": "events",
    } | changes
    return Expect(play.server, play.client.at(port), **fields)  # type: ignore[arg-type]


def provisional(play: Playbook, port: int = 49200) -> Expect:
    return Expect(
        play.server,
        play.client.at(port),
        policy="event",
        permanent=True,
        keep_after_master=True,
        timeout=30,
        trigger="SUBSCRIBE",
    )


def subscribed() -> Playbook:
    play = Playbook(GENA) >> client(m.subscribe())
    return play << provisional(play) >> server(m.accepted()) << events(play, timeout=1860)


def test_a_subscription() -> None:
    assert subscribed()


def test_ipv6() -> None:
    play = Playbook(GENA, family=6) >> client(m.subscribe(b"<http://[fd01::2]:49200/>"))
    assert play << provisional(play) >> server(m.accepted()) << events(play, timeout=1860)


@pytest.mark.parametrize(
    ("timeout", "seconds"),
    [
        (b"Second-300", 360),
        (b"second-300", 360),
        (b"Second-7140", LONGEST),
        (b"Second-7141", LONGEST),
        (b"Second-86400", LONGEST),
        (b"Second-999999", LONGEST),
        (b"Second-infinite", LONGEST),
        (b"infinite", LONGEST),
        (b"Second-" + b"9" * 40, LONGEST),
        (b"Second-0", 60),
    ],
)
def test_lifetime(timeout: bytes, seconds: int) -> None:
    play = Playbook(GENA) >> client(m.subscribe()) << Expect
    assert play >> server(m.accepted(timeout)) << events(play, timeout=seconds)


def test_lifetime_without_a_timeout() -> None:
    play = Playbook(GENA) >> client(m.subscribe()) << Expect
    assert play >> server(m.head(b"HTTP/1.0 200 OK", SID=m.SID)) << events(play, timeout=1860)


@pytest.mark.parametrize(
    "response", [m.NO, m.OK, m.head(b"HTTP/1.1 503 Busy", SID=m.SID, CONTENT_LENGTH=b"0")]
)
def test_without_status_200_and_a_sid_the_expectation_is_cancelled(response: bytes) -> None:
    play = Playbook(GENA) >> client(m.subscribe()) << Expect
    play = play >> server(response) << Cancel
    assert isinstance(play.last, Cancel)
    assert play.last.want
    assert play.last.want.server == play.client.at(49200)
    assert play


def test_renewal_and_end() -> None:
    play = subscribed() >> client(m.renew()) >> server(m.accepted(b"Second-600"))
    play = play << events(play, timeout=660) >> client(m.unsubscribe()) >> server(m.OK) << Cancel
    # a subscription that has ended is not renewed
    assert play >> client(m.renew()) >> server(m.accepted())


def test_a_refused_renewal_ends_the_subscription() -> None:
    play = subscribed() >> client(m.renew()) >> server(m.NO) << Cancel
    assert play >> client(m.renew()) >> server(m.accepted())


def test_an_unknown_subscription_is_not_renewed() -> None:
    assert Playbook(GENA) >> client(m.renew()) >> server(m.accepted())


@pytest.mark.parametrize(
    ("callback", "port"),
    [
        (b"<http://10.0.1.2:49200/><http://10.0.1.2:49201/>", 49200),
        (b"<http://pc.lan:1/><http://10.0.1.2:49201/>", 49201),
        (b"<http://[fd01::2]:1/> <http://10.0.1.2:49201/a%20b>", 49201),
        (b"<http://10.0.1.2/>", 80),
    ],
)
def test_callbacks(callback: bytes, port: int) -> None:
    play = Playbook(GENA) >> client(m.subscribe(callback))
    assert play << provisional(play, port)


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
    "request_",
    [
        m.subscribe(NT=b"upnp:propchange"),
        m.subscribe(SID=m.SID),
        m.renew(NT=b"upnp:event"),
        m.head(b"SUBSCRIBE / HTTP/1.1", CALLBACK=b"<http://10.0.1.2:1/>"),
        m.head(b"NOTIFY / HTTP/1.1", SID=m.SID),
    ],
)
def test_requests_that_are_no_subscription(request_: bytes) -> None:
    assert Playbook(GENA) >> client(request_) >> server(m.accepted())


def test_a_request_in_the_reply_direction() -> None:
    assert Playbook(GENA) >> server(m.subscribe()) << ParseError


def test_bodies_are_not_parsed() -> None:
    # NAT slipstreaming: a web page chooses the body of a POST
    body = m.subscribe()
    post = m.head(b"POST / HTTP/1.1", CONTENT_LENGTH=b"%d" % len(body)) + body
    assert Playbook(GENA) >> client(post) >> server(m.accepted())


def test_responses_match_requests_in_order() -> None:
    play = Playbook(GENA) >> client(m.GET, m.head(b"HEAD / HTTP/1.1"), m.subscribe()) << Expect
    play = play >> server(m.DESCRIPTION, m.head(b"HTTP/1.1 200 OK", CONTENT_LENGTH=b"500"))
    play = play >> server(m.head(b"HTTP/1.1 100 Continue"))
    assert play >> server(m.accepted()) << events(play, timeout=1860)


def test_too_many_requests() -> None:
    assert Playbook(GENA) >> client(m.GET * MAX_PENDING) >> client(m.GET) << ParseError


def test_bulk_transfers_leave_the_queue() -> None:
    play = Playbook(GENA) >> client(m.GET)
    play = play >> server(m.head(b"HTTP/1.1 200 OK", CONTENT_LENGTH=b"100000000"), bytes(MAX_BULK))
    assert play >> server(b"x") << Done


def test_a_switch_of_protocols() -> None:
    assert Playbook(GENA) >> client(m.GET) >> server(m.head(b"HTTP/1.1 101 Switching")) << Done


@pytest.mark.parametrize(
    "data",
    [b"\x16\3\1\0\n", b"SSH-2.0-x\r\n", b"get / HTTP/1.1\r\n\r\n", b"GET / HTTP/2.0\r\n\r\n"],
)
def test_other_protocols(data: bytes) -> None:
    play = Playbook(GENA) >> client(data + b"\r\n\r\n")
    assert play << ParseError


@pytest.mark.parametrize(
    "field",
    [
        b"Origin: http://example.org",
        b"Referer: http://example.org/",
        b"Cookie: a=b",
        b"Sec-Fetch-Mode: cors",
        b"sec-ch-ua: x",
        b"Access-Control-Request-Method: SUBSCRIBE",
    ],
)
def test_requests_of_browsers_are_refused(field: bytes) -> None:
    request = m.subscribe().replace(b"\r\n\r\n", b"\r\n" + field + b"\r\n\r\n")
    assert Playbook(GENA) >> client(request) << Refuse << Done
    page = m.GET.replace(b"\r\n\r\n", b"\r\n" + field + b"\r\n\r\n")
    # a connection that a browser uses is not inspected any more
    assert Playbook(GENA) >> client(page + m.subscribe()) << Done


@pytest.mark.parametrize(
    ("address", "local"),
    [
        ("10.9.9.9", True),
        ("172.31.0.1", True),
        ("192.168.1.1", True),
        ("169.254.7.7", True),
        ("100.64.0.1", True),
        ("fd00::1", True),
        ("fe80::1", True),
        ("198.51.100.7", False),
        ("172.32.0.1", False),
        ("8.8.8.8", False),
        ("2001:db8::1", False),
        ("::ffff:10.0.0.1", False),
    ],
)
def test_only_local_devices_send_events(address: str, local: bool) -> None:
    """A web page can make a browser subscribe at any server of the internet (attack A2)."""
    family = Endpoint.parse(address).family
    ours = Endpoint.parse("10.0.1.2" if family == 4 else "fd01::2", 40000)
    callback = b"<http://%s:49200/>" % (b"10.0.1.2" if family == 4 else b"[fd01::2]")
    flow = Flow("tcp", ours, Endpoint.parse(address, 1400))

    def kinds(settings: dict[str, object]) -> list[type]:
        return [
            type(event)
            for event in GENA.parser_for("tcp")(flow, settings).feed(m.subscribe(callback), False)
        ]

    assert kinds({}) == ([Expect] if local else [Refuse, Done])
    assert kinds({"destinations": (ip_network(address),)}) == [Expect]
