"""Responses to the port of a Via, and calls to a registered port."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sip_messages import A, B, X, by_client, by_server, ok, request, response, sip

from fwhelpers.api import Cancel, Expect, Refuse
from fwhelpers.testing import Playbook
from fwhelpers.testing.playbook import CLIENT, SERVER

TEN_MINUTES = "Expires: 600"


def at_via(port: int) -> Expect:
    return Expect(
        SERVER[4].at(5060),
        CLIENT[4].at(port),
        policy="signalling",
        permanent=True,
        child=True,
        trigger="Via",
        timeout=180,
    )


def registered(port: int, timeout: int, l4: str = "udp", confirms: bool = True) -> Expect:
    return Expect(
        SERVER[4].at(5060),
        CLIENT[4].at(port),
        l4,
        "signalling",
        permanent=True,
        child=True,
        confirms_peer=confirms,
        keep_after_master=True,
        trigger="REGISTER",
        timeout=timeout,
    )


def register(contact: str, cseq: int = 1, extra: str = TEN_MINUTES, to: str = "b") -> bytes:
    return request("REGISTER", cseq=cseq, contact=contact, extra=extra, to=to)


def accepted(contact: str = "", cseq: int = 1, extra: str = "", to: str = "b") -> bytes:
    return ok(method="REGISTER", cseq=cseq, contact=contact, extra=extra, to=to)


@pytest.mark.parametrize(
    ("via", "port"),
    [
        (f"SIP/2.0/UDP {A}:5062;branch=z9hG4bK1", 5062),
        (f"SIP/2.0/UDP {A};branch=z9hG4bK1", 5060),  # §18.1.1: the default port
        (f"SIP / 2.0 / UDP  {A} : 5062 ;branch=z9hG4bK1", 5062),
        (
            "SIP/2.0/UDP host.example.org:5062",
            5062,
        ),  # §18.2.2: the response goes to the packet's source
        (f"SIP/2.0/UDP {X}:5062", 5062),
    ],
)
def test_a_response_to_the_port_of_the_via(via: str, port: int) -> None:
    assert sip() >> by_client(request("OPTIONS", via=via)) << at_via(port)


@pytest.mark.parametrize(
    "via",
    [
        f"SIP/2.0/UDP {A}:40000;branch=z9hG4bK1",  # the packet's source port
        f"SIP/2.0/UDP {A}:5062;rport;branch=z9hG4bK1",
        f"SIP/2.0/UDP {A}:5062;branch=z9hG4bK1;rport",
        f"SIP/2.0/UDP {A}:5062; RPORT = 40000",
        f"SIP/2.0/TCP {A}:5062;branch=z9hG4bK1",
        "none",
    ],
)
def test_a_response_to_the_request_s_own_port(via: str) -> None:
    assert sip() >> by_client(request("OPTIONS", via=via))


def test_a_parameter_that_begins_like_rport() -> None:
    via = f"SIP/2.0/UDP {A}:5062;rportal=1"
    assert sip() >> by_client(request("OPTIONS", via=via)) << at_via(5062)


def test_only_the_topmost_via_counts() -> None:
    via = f"SIP/2.0/UDP {A}:40000, SIP/2.0/UDP {A}:5062"
    assert sip() >> by_client(request("OPTIONS", via=via))


def test_an_acknowledgement_has_no_response() -> None:
    via = f"SIP/2.0/UDP {A}:5062"
    assert sip() >> by_client(request("ACK", via=via))


def test_over_tcp_responses_come_on_the_connection() -> None:
    assert sip("tcp") >> by_client(request("OPTIONS", via=f"SIP/2.0/TCP {A}:5062"))


def test_a_registration() -> None:
    contact = f"<sip:a@{A}:5066>"
    assert sip() >> by_client(register(contact)) >> by_server(accepted()) << registered(5066, 600)


@pytest.mark.parametrize(
    ("request_extra", "contact", "answer", "answer_extra", "lifetime"),
    [
        ("", "", "", "", 3600),
        ("Expires: 600", "", "", "", 600),
        ("Expires: 600", ";expires=700", "", "", 700),
        ("Expires: 600", "", "", "Expires: 300", 300),
        ("Expires: 600", "", ";expires=200", "Expires: 300", 200),
        ("Expires: 100000", "", "", "", 7200),
        ("Expires: soon", "", "", "", 3600),
        ("Expires: 99999999999999999999", "", "", "", 3600),
    ],
)
def test_how_long_a_registration_lasts(
    request_extra: str, contact: str, answer: str, answer_extra: str, lifetime: int
) -> None:
    uri = f"<sip:a@{A}:5066>"
    play = sip() >> by_client(register(uri + contact, extra=request_extra))
    play = play >> by_server(accepted(uri + answer if answer else "", extra=answer_extra))
    assert play << registered(5066, lifetime)


def test_other_phones_of_the_user_do_not_count() -> None:
    """The registrar lists all contacts, and most phones have the same port."""
    own, other = f"<sip:a@{A}:5066>", f"<sip:a@{X}:5066>;expires=7"
    for contacts in f"{other}, {own};expires=700", f"{own};expires=700, {other}":
        play = sip() >> by_client(register(own)) >> by_server(accepted(contacts))
        assert play << registered(5066, 700)
    # behind NAT the registrar knows the phone by another address
    assert sip() >> by_client(register(own)) >> by_server(accepted(other)) << registered(5066, 7)


def test_a_registration_over_tcp_of_a_listening_port() -> None:
    contact = f"<sip:a@{A}:40783;transport=tcp>"
    play = sip("tcp") >> by_client(register(contact)) >> by_server(accepted())
    assert play << registered(40783, 600, "tcp")


@pytest.mark.parametrize(
    "contact",
    [
        f"<sip:a@{A}:40000>", f"sip:a@{A}:40000", f'"sip:x@{A}:5066" <sip:a@{A}:40000>;q=1',
        "<sip:a@phone.example.org:5066>", f"<sips:a@{A}:5066>", f"<sip:a@{A}:5066;transport=ws>",
        "<tel:123>", "", "<sip:a@10.0.1.2:99999>", f'"<sip:x@{A}:5066>', f'"\\"<sip:x@{A}:5066>\\',
    ],
)  # fmt: skip
def test_contacts_that_need_nothing(contact: str) -> None:
    assert sip() >> by_client(register(contact)) >> by_server(accepted())


@pytest.mark.parametrize(
    "contact",
    [
        f"<sip:a@{A}:5066>", f"sip:a@{A}:5066", f"sip:{A}:5066;q=1", f"<SIP:a;x=1,2@{A}:5066;lr>",
        f"<sip:a:b@{A}:5066>",
        f'"A, <sip:x@{A}:5067>" <sip:a@{A}:5066>', f"A B <sip:a@{A}:5066>", f"<sip:a@{A}:40000>, <sip:a@{A}:5066>",
    ],
)  # fmt: skip
def test_forms_of_a_contact(contact: str) -> None:
    play = sip() >> by_client(register(contact)) >> by_server(accepted())
    assert play << registered(5066, 600)


def test_a_renewal_is_announced_again() -> None:
    contact = f"<sip:a@{A}:5066>"
    play = sip() >> by_client(register(contact)) >> by_server(accepted()) << registered(5066, 600)
    play = play >> by_client(register(contact, cseq=2, extra="Expires: 900"))
    assert play >> by_server(accepted(cseq=2)) << registered(5066, 900)


@pytest.mark.parametrize(
    ("contact", "extra"),
    [
        (f"<sip:a@{A}:5066>;expires=0", ""), (f"<sip:a@{A}:5066>", "Expires: 0"), ("*", "Expires: 0"),
    ],
)  # fmt: skip
def test_a_removed_registration(contact: str, extra: str) -> None:
    play = sip() >> by_client(register(f"<sip:a@{A}:5066>")) >> by_server(accepted())
    play = play << registered(5066, 600) >> by_client(register(contact, cseq=2, extra=extra))
    assert play >> by_server(accepted(cseq=2)) << Cancel("signalling", registered(5066, 600))


@pytest.mark.parametrize("contact", [f"<sip:a@{A}:5066>", "*"])
def test_the_lines_of_a_phone_have_one_port(contact: str) -> None:
    """One of them is removed; `*` means those of one user only."""
    play = sip()
    for cseq, line in enumerate(("b", "c"), 1):
        play = play >> by_client(register(f"<sip:a@{A}:5066>", cseq, to=line))
        play = play >> by_server(accepted(cseq=cseq, to=line)) << registered(5066, 600)
    play = play >> by_client(register(contact, 3, "Expires: 0", "c"))
    play = play >> by_server(accepted(cseq=3, to="c"))
    play = play >> by_client(register(contact, 4, "Expires: 0", "b"))
    assert (
        play >> by_server(accepted(cseq=4, to="b")) << Cancel("signalling", registered(5066, 600))
    )


def test_a_failed_registration_is_removed_but_a_challenged_one_stays() -> None:
    contact = f"<sip:a@{A}:5066>"
    play = sip() >> by_client(register(contact)) >> by_server(accepted()) << registered(5066, 600)
    for cseq, status in enumerate((401, 407, 423, 500, 503), 2):
        play = play >> by_client(register(contact, cseq=cseq))
        play = play >> by_server(response(status, "REGISTER", cseq=cseq))
    play = play >> by_client(register(contact, cseq=9))
    play = play >> by_server(response(403, "REGISTER", cseq=9))
    assert play << Cancel("signalling", registered(5066, 600))


def test_only_the_answer_to_the_request_opens() -> None:
    contact = f"<sip:a@{A}:5066>"
    play = sip() >> by_client(register(contact)) >> by_server(accepted(cseq=2))
    play = play >> by_server(ok(method="REGISTER", call="another"))
    play = play >> by_server(ok(method="OPTIONS")) >> by_client(accepted())
    assert play >> by_server(accepted()) << registered(5066, 600) >> by_server(accepted())


@pytest.mark.parametrize("address", ["peer", "announced", "any-src"])
def test_another_host_is_never_registered(address: str) -> None:
    play = sip(address=address) >> by_client(register(f"<sip:a@{X}:5066>")) << Refuse
    assert play >> by_server(accepted())


def test_the_address_that_the_registrar_reported_is_the_phone_s() -> None:
    reported = f"SIP/2.0/UDP {A}:40000;received={X};rport=1024"
    play = sip() >> by_client(request("OPTIONS")) >> by_server(ok(method="OPTIONS", via=reported))
    # it is where the connection comes from, so that calls arrive there
    play = play >> by_client(register(f"<sip:a@{X}:1024>")) >> by_server(accepted())
    play = play >> by_client(register(f"<sip:a@{X}:5066>", cseq=2)) >> by_server(accepted(cseq=2))
    assert play << registered(5066, 600)


def test_a_response_on_a_connection_of_its_own() -> None:
    """The request came on another connection, and its Via names this one's destination."""
    via = f"SIP/2.0/UDP {B}:5060;branch=z9hG4bK1"
    from sip_messages import OFFER, to_client

    assert sip() >> by_client(ok(OFFER, via=via)) << to_client(4000)
    assert sip() >> by_client(ok(OFFER, via=via + ";rport")) << Refuse
    assert sip() >> by_client(ok(OFFER, via=f"SIP/2.0/UDP {B}:5061")) << Refuse
    assert sip() >> by_server(ok(OFFER, via=f"SIP/2.0/UDP {A}:40000")) << Refuse


def test_ipv6() -> None:
    a, b = CLIENT[6], SERVER[6].at(5060)
    play: Playbook = sip(family=6) >> by_client(
        request("REGISTER", via=f"SIP/2.0/UDP [{a.host}]:5062", contact=f"<sip:a@[{a.host}]:5066>")
    )
    via = replace(at_via(5062), client=b, server=a.at(5062))
    play = play << via >> by_server(accepted())
    assert play << replace(registered(5066, 3600), client=b, server=a.at(5066))
