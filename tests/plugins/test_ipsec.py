"""The IKE parser: which exchanges open ESP, renew it or end it, and which do nothing."""

from __future__ import annotations

from typing import Any

import pytest
from connection import Connection
from fwhelpers_plugins.ipsec import MAX_COPIES, MAX_THIRD, MIN_ANSWER, Ike
from hypothesis import given
from hypothesis import strategies as st
from ipsec_messages import (
    AGGRESSIVE,
    AUTH,
    CHILD,
    ENCRYPTED,
    INFO,
    INFO_V1,
    INITIATOR,
    IPSEC,
    MAIN,
    NOT_YET,
    NOTIFY,
    OTHER_SPIS,
    QUICK,
    RESPONSE,
    SA,
    SA_INIT,
    SPIS,
    answer,
    esp,
    ikev1,
    ikev2,
    request,
)

from fwhelpers.api import Cancel, ParseError
from fwhelpers.engine.inspector import Active
from fwhelpers.plugin.validation import validate
from fwhelpers.testing import Playbook, client, server
from fwhelpers.testing.invariants import Announced, check, check_restart
from fwhelpers.testing.playbook import Message, new_parser, settings_of

versions2 = st.builds(
    ikev2,
    st.sampled_from([SA_INIT, AUTH, CHILD, INFO, 38]),
    st.sampled_from([0, INITIATOR, RESPONSE, INITIATOR | RESPONSE]),
    st.integers(0, 2),
    st.sampled_from([40, 76, MIN_ANSWER - 1, MIN_ANSWER, 240]),
    st.sampled_from([SPIS, OTHER_SPIS, NOT_YET]),
    st.sampled_from([ENCRYPTED, SA, NOTIFY]),
    st.sampled_from([None, (1, 2), (2, 2), (0, 0)]),
)
versions1 = st.builds(
    ikev1,
    st.sampled_from([MAIN, AGGRESSIVE, INFO_V1, QUICK]),
    st.sampled_from([52, MAX_THIRD, MAX_THIRD + 1, 180]),
    st.integers(0, 2),
    st.sampled_from([SPIS, OTHER_SPIS, NOT_YET]),
    st.sampled_from([8, 1]),
    st.integers(0, 7),
)
datagrams = st.one_of(versions1, versions2, st.binary(max_size=80))
scripts = st.lists(st.builds(Message, datagrams, st.booleans()), max_size=20)


def initiated(version: int = 2, family: int = 4, **settings: Any) -> Playbook:
    """A flow whose client has negotiated ESP."""
    play = Playbook(IPSEC, family=family, **settings)
    lifetime = settings.get("lifetime", 3600)
    if version == 1:
        play = play >> client(ikev1()) >> server(ikev1()) >> client(ikev1(size=52))
        first, second = esp(play, False, "Quick Mode", lifetime)
    else:
        play = play >> client(request()) >> server(answer())
        first, second = esp(play, True, "IKE_AUTH", lifetime)
    return play << first << second


@given(scripts, st.sampled_from([4, 6]))
def test_fuzz(script: list[Message], family: int) -> None:
    outcome = check(IPSEC, script, family=family)
    assert "ParseError" not in outcome
    ends = {
        Playbook(IPSEC, family=family).client.at(0),
        Playbook(IPSEC, family=family).server.at(0),
    }
    for item in outcome:
        if isinstance(item, Announced):
            assert item.l4 == "esp"
            assert {item.client, item.server} == ends


@given(scripts)
def test_one_end_alone_opens_nothing(script: list[Message]) -> None:
    assert check(IPSEC, [Message(message.data, False) for message in script]) == []


@given(scripts)
def test_another_worker_can_take_over_at_any_time(script: list[Message]) -> None:
    check_restart(IPSEC, script)


@given(st.binary(max_size=24))
def test_stored_state_is_checked(state: bytes) -> None:
    parser = new_parser(IPSEC)
    try:
        parser.restore(state)
    except ParseError:
        return
    assert not state or not any(state) or parser.save() == state


def test_the_declaration() -> None:
    assert list(validate(IPSEC)) == []


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize("version", [1, 2])
def test_a_negotiation_opens_both_directions(version: int, family: int) -> None:
    assert initiated(version, family)


def test_either_end_may_begin() -> None:
    play = Playbook(IPSEC) >> server(request()) >> client(answer())
    first, second = esp(play, False, "IKE_AUTH")
    assert play << first << second
    play = Playbook(IPSEC) >> server(ikev1()) >> client(ikev1()) >> server(ikev1(size=52))
    first, second = esp(play, True, "Quick Mode")
    assert play << first << second


@pytest.mark.parametrize("initiator", [True, False])
def test_a_new_sa_by_either_end_of_the_ike_sa(initiator: bool) -> None:
    play = Playbook(IPSEC) >> client(request(CHILD, 7, initiator=initiator))
    play = play >> server(answer(CHILD, 7, initiator=initiator))
    first, second = esp(play, True, "CREATE_CHILD_SA")
    assert play << first << second


@pytest.mark.parametrize(
    "data",
    [
        answer(CHILD),  # another exchange
        answer(number=2),
        answer(spis=OTHER_SPIS),
        answer(spis=NOT_YET),
        answer(initiator=False),  # both would be from the initiator of the IKE SA
        answer(size=MIN_ANSWER - 1),  # an error, such as AUTHENTICATION_FAILED
        answer(size=156),  # NO_PROPOSAL_CHOSEN with MOBIKE and one further address
        ikev2(AUTH, RESPONSE, payload=NOTIFY),  # INVALID_IKE_SPI in clear, RFC 7296 §2.21.4
        ikev2(AUTH, RESPONSE, fragment=(2, 2)),
        ikev2(AUTH, RESPONSE, fragment=(1, 0)),
        answer()[:-1],  # lengths that contradict each other
        answer() + b"\0",
        answer()[:30] + b"\0\xd3" + answer()[32:],
        request(),
        ikev1(),
        b"",
        b"\xff",  # a keep-alive
    ],
)
def test_what_is_no_answer_to_ike_auth(data: bytes) -> None:
    assert Playbook(IPSEC) >> client(request()) >> server(data)


@pytest.mark.parametrize(("kind", "number"), [(CHILD, 1), (AUTH, 3)])
def test_later_answers_are_shorter_than_the_first(kind: int, number: int) -> None:
    """They name nobody: a new SA, and the end of EAP."""
    play = Playbook(IPSEC) >> client(request(kind, number))
    play = play >> server(answer(kind, number, size=MIN_ANSWER))
    first, second = esp(play, True, "CREATE_CHILD_SA" if kind == CHILD else "IKE_AUTH")
    assert play << first << second


def test_an_answer_in_fragments() -> None:
    play = Playbook(IPSEC) >> client(ikev2(AUTH, INITIATOR, fragment=(1, 2)))
    play = play >> client(ikev2(AUTH, INITIATOR, fragment=(2, 2)))
    play = play >> server(ikev2(AUTH, RESPONSE, fragment=(1, 2)))
    first, second = esp(play, True, "IKE_AUTH")
    assert play << first << second >> server(ikev2(AUTH, RESPONSE, fragment=(2, 2)))


def test_an_answer_without_a_request_or_from_the_same_end() -> None:
    assert Playbook(IPSEC) >> server(answer())
    assert Playbook(IPSEC) >> client(request()) >> client(answer())


def test_an_answer_counts_once() -> None:
    assert initiated() >> server(answer())


def test_ike_auth_is_not_the_first_exchange() -> None:
    assert Playbook(IPSEC) >> client(request(number=0)) >> server(answer(number=0))


def test_phase_1_opens_nothing() -> None:
    play = Playbook(IPSEC)
    for kind, payload in ((MAIN, 1), (MAIN, 4), (MAIN, 5), (AGGRESSIVE, 1), (AGGRESSIVE, 8)):
        data = ikev1(kind, payload=payload)
        play = play >> client(data) >> server(data)
    for data in (
        ikev2(SA_INIT, INITIATOR, 0, spis=NOT_YET, payload=SA),
        ikev2(SA_INIT, RESPONSE, 0, payload=SA),
    ):
        play = play >> client(data) >> server(data)
    assert play


def test_quick_mode_needs_its_third_message() -> None:
    assert Playbook(IPSEC) >> client(ikev1()) >> server(ikev1())
    # the first one again
    assert Playbook(IPSEC) >> client(ikev1()) >> server(ikev1()) >> client(ikev1())


@pytest.mark.parametrize(
    "data",
    [
        ikev1(size=52, number=9),
        ikev1(size=52, spis=OTHER_SPIS),
        ikev1(size=52, flags=0),  # in clear
        ikev1(size=52, payload=1),
        ikev1(INFO_V1, size=52),
    ],
)
def test_what_is_no_third_message(data: bytes) -> None:
    assert Playbook(IPSEC) >> client(ikev1()) >> server(ikev1()) >> client(data)


def test_repetitions_in_quick_mode() -> None:
    play = Playbook(IPSEC) >> client(ikev1()) >> client(ikev1()) >> server(ikev1())
    play = play >> client(ikev1()) >> server(ikev1()) >> client(ikev1(size=52))
    first, second = esp(play, False, "Quick Mode")
    play = play << first << second
    assert play >> server(ikev1()) >> client(ikev1(size=52))


def test_answered_keep_alives_renew() -> None:
    play = initiated() >> server(request(INFO, 0, 76, initiator=False))
    play = play >> client(answer(INFO, 0, 76, initiator=False))
    first, second = esp(play, False, "INFORMATIONAL")
    assert play << first << second
    play = initiated(1) >> client(ikev1(INFO_V1, 84, 5)) >> server(ikev1(INFO_V1, 84, 6))
    first, second = esp(play, True, "Informational")
    assert play << first << second


def test_keep_alives_alone_open_nothing() -> None:
    assert Playbook(IPSEC) >> client(request(INFO)) >> server(answer(INFO))
    assert Playbook(IPSEC) >> client(ikev1(INFO_V1, 84, 5)) >> server(ikev1(INFO_V1, 84, 6))


def test_exchanges_of_both_ends_may_cross() -> None:
    play = (
        initiated() >> client(request(INFO, 2, 76)) >> server(request(INFO, 0, 76, initiator=False))
    )
    play = play >> server(answer(INFO, 2, 76))
    first, second = esp(play, True, "INFORMATIONAL")
    play = play << first << second >> client(answer(INFO, 0, 76, initiator=False))
    first, second = esp(play, False, "INFORMATIONAL")
    assert play << first << second


def test_a_peer_that_does_not_answer_is_given_up() -> None:
    play = initiated()
    for _ in range(MAX_COPIES - 1):
        play = play >> client(request(INFO, 2, 76))
    play = play.restart() >> client(request(INFO, 2, 76)) << Cancel()
    play = play >> client(request(INFO, 2, 76)) << Cancel() >> server(answer(INFO, 2, 76))
    first, second = esp(play, True, "INFORMATIONAL")  # it lives
    assert play << first << second


def test_strangers_end_nothing() -> None:
    play = initiated()
    for _ in range(MAX_COPIES + 3):
        play = play >> client(request(INFO, 2, 76, OTHER_SPIS))
    assert play


def test_fragments_are_no_copies() -> None:
    play = initiated()
    for number in range(1, MAX_COPIES + 3):
        play = play >> client(ikev2(CHILD, INITIATOR, 2, fragment=(number, 9)))
    assert play


def test_the_lifetime_is_a_setting() -> None:
    assert initiated(lifetime=600)
    (setting,) = IPSEC.settings
    assert setting.check is not None
    for value in (59, 86401, "1h", True):
        with pytest.raises(ValueError, match="60 to 86400"):
            setting.check(value)


# in the engine


def flow(**addresses: str) -> Connection:
    active = Active(IPSEC, settings_of(IPSEC, {}))
    return Connection(IPSEC, "udp", "10.0.1.2:500", "10.0.2.2:500", active=active, **addresses)  # type: ignore[arg-type]


def test_the_kernel_gets_two_expectations_without_ports() -> None:
    c = flow()
    c.c(request())
    c.s(answer())
    assert c.expected == ["10.0.1.2 > 10.0.2.2:0", "10.0.2.2 > 10.0.1.2:0"]
    for expectation in c.maker.created:
        assert (expectation.tuple.l4, expectation.flags, expectation.timeout) == (50, 1, 3600)
        assert (expectation.mask.sport, expectation.mask.dport) == (0, 0)
        assert expectation.mask.src == b"\xff" * 4
    assert c.refused == []


@pytest.mark.parametrize(
    "addresses",
    [
        {"seen_client": "192.0.2.9:500"},
        {"seen_client": "10.0.1.2:1024"},
        {"seen_server": "192.0.2.1:500"},
    ],
)
def test_behind_nat_nothing_is_opened(addresses: dict[str, str]) -> None:
    c = flow(**addresses)
    c.c(request())
    c.s(answer())
    assert (c.expected, c.refused) == ([], ["G15", "G15"])


def test_renewed_in_place() -> None:
    c = flow()
    c.c(request())
    c.s(answer())
    c.now += 1800
    c.c(request(INFO, 2, 76))
    c.s(answer(INFO, 2, 76))
    assert len(c.maker.renewed) == len(c.maker.created) == 2


def test_a_dead_peer_closes_what_is_open() -> None:
    c = flow()
    c.c(request())
    c.s(answer())
    for _ in range(MAX_COPIES):
        c.c(request(INFO, 2, 76))
    assert sorted(c.maker.deleted) == sorted(e.tuple for e in c.maker.created)


def test_the_parser_s_state_fits() -> None:
    parser = new_parser(IPSEC)
    assert isinstance(parser, Ike)
    list(parser.feed(request(), False))
    assert len(parser.save()) == parser.STATE_MAX
