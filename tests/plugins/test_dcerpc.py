"""DCE/RPC: framing, contexts, calls, and the answers of the endpoint mapper."""

from __future__ import annotations

from uuid import UUID

import pytest
from dcerpc_messages import (
    ALTER,
    ALTER_RESPONSE,
    BIND_NAK,
    CO_CANCEL,
    DCERPC,
    FAULT,
    FEATURES,
    FIRST,
    LAST,
    NDR32,
    NDR64,
    NETLOGON,
    ORPHANED,
    PRIVACY,
    RESPONSE,
    SAMR,
    SHUTDOWN,
    asked,
    bind,
    bind_ack,
    bound,
    inquiry,
    listed,
    mapped,
    pdu,
    request,
    response,
    tower,
)
from fwhelpers_plugins.dcerpc.connection import MAX_CALLS, MAX_SERVICES
from fwhelpers_plugins.dcerpc.interfaces import EPM, OBJECT_EXPORTER

from fwhelpers.api import Endpoint, Expect, ParseError, Refuse
from fwhelpers.testing import Playbook, client, server

PORT = 49668
BOTH = pytest.mark.parametrize("little", [True, False])


def service(play: Playbook, port: int = PORT, trigger: str = "netlogon") -> Expect:
    return Expect(
        play.client, play.server.at(port), permanent=True, keep_after_master=True, timeout=300, trigger=trigger
    )  # fmt: skip


@BOTH
@pytest.mark.parametrize("wide", [False, True])
@pytest.mark.parametrize("family", [4, 6])
def test_map(little: bool, wide: bool, family: int) -> None:
    play = bound(EPM, family, little=little, wide=wide)
    stub = mapped(tower(address=bytes(4)), little=little, wide=wide)
    play >> client(request(3, little=little)) >> server(response(stub, little=little))
    assert play << service(play)


@BOTH
@pytest.mark.parametrize("wide", [False, True])
def test_lookup_of_an_interface(little: bool, wide: bool) -> None:
    play = bound(EPM, little=little, wide=wide)
    stub = listed(tower(), tower(49669, interface=SAMR), little=little, wide=wide, note=b"abc\0")
    play >> client(request(2, inquiry(1, little=little), little=little))
    play >> server(response(stub, little=little))
    assert play << service(play) << service(play, 49669, "samr")


def test_the_order_of_bytes_may_differ_between_the_ends() -> None:
    play = Playbook(DCERPC) >> client(bind(little=True)) >> server(bind_ack(little=False))
    play >> client(request(3)) >> server(response(mapped(tower(), little=False), little=False))
    assert play << service(play)


def test_lists_of_everything_open_by_setting_only() -> None:
    play = bound() >> client(request(2, inquiry())) >> server(response(listed(tower())))
    assert play
    play = bound(lookup=True) >> client(request(2, inquiry())) >> server(response(listed(tower())))
    assert play << service(play)


def test_a_list_passes_over_what_is_not_allowed() -> None:
    play = bound(lookup=True, rpc_interfaces=["samr"]) >> client(request(2, inquiry()))
    play >> server(response(listed(tower(), tower(49669, interface=SAMR))))
    assert play << service(play, 49669, "samr")


@pytest.mark.parametrize("parts", [2, 3, 200])
def test_fragments(parts: int) -> None:
    play = bound() >> client(request(3)) >> server(response(mapped(tower()), parts=parts))
    assert play << service(play)


def test_fragments_of_two_answers_alternate() -> None:
    play = bound() >> client(request(3, call=5), request(3, call=6))
    first, second = mapped(tower()), mapped(tower(49669))
    half = len(first) // 2
    head = bytes(8)
    play >> server(pdu(RESPONSE, head + first[:half], 5, flags=FIRST))
    play >> server(pdu(RESPONSE, head + second[:half], 6, flags=FIRST))
    play >> server(pdu(RESPONSE, head + first[half:], 5, flags=LAST)) << service(play)
    play >> server(pdu(RESPONSE, head + second[half:], 6, flags=LAST)) << service(play, 49669)
    assert play


@pytest.mark.parametrize("flags", [[LAST], [FIRST, FIRST | LAST], [0, LAST]])
def test_fragments_in_wrong_order(flags: list[int]) -> None:
    play = bound() >> client(request(3))
    play >> server(*(pdu(RESPONSE, bytes(8) + mapped(tower()), flags=flag) for flag in flags))
    assert play << Refuse("G11", "ept_map: fragments of an answer in wrong order")


def test_several_towers() -> None:
    play = asked(tower(), b"", tower(49669), tower(transport=0x1F), tower(rpc=0x0A, transport=8))
    assert play << service(play) << service(play, 49669)


def test_a_tower_without_address() -> None:
    play = asked(tower(address=None))
    assert play << service(play)


@pytest.mark.parametrize("port", [0])
def test_no_port(port: int) -> None:
    assert asked(tower(port))


def test_another_address_is_announced_as_it_is() -> None:
    play = asked(tower(address=bytes([10, 9, 9, 9])))
    assert play << Expect(
        play.client, Endpoint.parse("10.9.9.9", PORT), permanent=True, keep_after_master=True, timeout=300,
        trigger="netlogon",
    )  # fmt: skip


def test_over_ipv6_clients_read_the_port_alone() -> None:
    play = asked(tower(address=bytes([10, 9, 9, 9])), family=6)
    assert play << service(play)


def test_an_answer_with_an_error_opens_nothing() -> None:
    play = bound() >> client(request(3)) >> server(response(mapped(tower(), status=0x16C9A0D6)))
    assert play


def test_too_many_services() -> None:
    towers = [tower(49152 + at) for at in range(MAX_SERVICES + 1)]
    play = bound() >> client(request(3)) >> server(response(mapped(*towers, size=99)))
    for at in range(MAX_SERVICES):
        play << service(play, 49152 + at)
    assert play << Refuse("G9", f"an answer with more than {MAX_SERVICES} services")


# settings


@pytest.mark.parametrize("name", ["NETLOGON", str(NETLOGON), str(NETLOGON).upper()])
def test_interfaces_by_name_and_uuid(name: str) -> None:
    play = asked(tower(), rpc_interfaces=[name])
    assert play << service(play)


def test_other_interfaces_are_refused() -> None:
    other = UUID(int=5)
    play = asked(tower(interface=other), rpc_interfaces=["netlogon"])
    reason = f"interface {other} is not in `rpc_interfaces`"
    assert play << Refuse("G6", reason, play.server.at(PORT))


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ([], "must be a list"),
        ("netlogon", "must be a list"),
        (["netlogin"], "'netlogin' is not an interface"),
        ([5], "5 is not an interface"),
    ],
)
def test_wrong_interfaces(value: object, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        Playbook(DCERPC, rpc_interfaces=value)


def test_lifetime() -> None:
    play = asked(tower(), lifetime=3600) << Expect
    assert isinstance(play.last, Expect)
    assert play.last.timeout == 3600


@pytest.mark.parametrize("value", [0, 3601, True, "300"])
def test_wrong_lifetime(value: object) -> None:
    with pytest.raises(ValueError, match="a number of seconds"):
        Playbook(DCERPC, lifetime=value)


# contexts


def test_contexts_are_told_by_their_numbers() -> None:
    contexts = [(0, NETLOGON, NDR32), (7, EPM, NDR32), (8, EPM, NDR64), (9, EPM, FEATURES)]
    play = Playbook(DCERPC) >> client(bind(contexts))
    play >> server(bind_ack([(0, NDR32), (2, UUID(int=0)), (0, NDR64), (3, UUID(int=0))]))
    answer = response(mapped(tower()))
    play >> client(request(3, context=0)) >> server(answer)
    play >> client(request(3, context=7)) >> server(answer)
    play >> client(request(3, context=9)) >> server(answer)
    play >> client(request(3, context=8)) >> server(response(mapped(tower(), wide=True)))
    assert play << service(play)


def test_alter_context() -> None:
    play = bound(NETLOGON) >> client(bind([(1, EPM, NDR32)], kind=ALTER, call=2))
    play >> server(bind_ack(kind=ALTER_RESPONSE, call=2, port=b""))
    play >> client(request(3, context=1, call=3)) >> server(response(mapped(tower()), call=3))
    assert play << service(play)


def test_a_context_for_another_interface() -> None:
    play = bound() >> client(bind([(0, NETLOGON, NDR32)], kind=ALTER, call=2))
    play >> server(bind_ack(kind=ALTER_RESPONSE, call=2, port=b""))
    assert play >> client(request(3)) >> server(response(mapped(tower())))


@pytest.mark.parametrize(
    "answer",
    [bind_ack([(2, UUID(int=0))]), bind_ack(call=2), pdu(BIND_NAK, bytes(8)), bind_ack([(0, FEATURES)])],
)  # fmt: skip
def test_a_bind_that_fails(answer: bytes) -> None:
    play = Playbook(DCERPC) >> client(bind()) >> server(answer)
    assert play >> client(request(3)) >> server(response(mapped(tower())))


def test_more_results_than_contexts() -> None:
    play = Playbook(DCERPC) >> client(bind()) >> server(bind_ack([(0, NDR32)] * 2))
    assert play << ParseError


def test_tokens_of_binds_are_passed_over() -> None:
    play = Playbook(DCERPC) >> client(bind(level=5)) >> server(bind_ack(level=5))
    play >> client(request(3)) >> server(response(mapped(tower())))
    assert play << service(play)


# calls


def test_an_answer_counts_once_and_for_its_call() -> None:
    play = bound() >> client(request(3, call=4))
    play >> server(response(mapped(tower()), call=5))
    play >> server(response(mapped(tower()), call=4)) << service(play)
    assert play >> server(response(mapped(tower()), call=4))


@pytest.mark.parametrize("opnum", [0, 1, 4, 5])
def test_other_procedures(opnum: int) -> None:
    assert bound() >> client(request(opnum)) >> server(response(mapped(tower())))


def test_a_request_for_an_object() -> None:
    play = bound() >> client(request(2, inquiry(1), of=SAMR)) >> server(response(listed(tower())))
    assert play << service(play)
    assert bound() >> client(request(2, inquiry(0), of=SAMR)) >> server(response(listed(tower())))


@pytest.mark.parametrize("end", [server(pdu(FAULT, bytes(16))), client(pdu(ORPHANED))])
def test_a_call_without_an_answer(end: object) -> None:
    play = bound() >> client(request(3)) >> end  # type: ignore[operator]
    assert play >> server(response(mapped(tower())))


def test_a_call_that_is_cancelled_may_be_answered() -> None:
    play = bound() >> client(request(3), pdu(CO_CANCEL)) >> server(response(mapped(tower())))
    assert play << service(play)


def test_the_oldest_calls_are_forgotten() -> None:
    play = bound() >> client(*(request(3, call=call) for call in range(MAX_CALLS + 1)))
    play >> server(response(mapped(tower()), call=0))
    play >> server(response(mapped(tower()), call=1)) << service(play)
    assert play


def test_an_encrypted_answer() -> None:
    play = bound() >> client(request(3)) >> server(response(mapped(tower()), level=PRIVACY))
    assert play << Refuse("G11", "ept_map: the answer is encrypted")


def test_a_signed_answer() -> None:
    play = bound() >> client(request(3)) >> server(response(mapped(tower()), level=5))
    assert play << service(play)
    assert isinstance(play.last, Expect)
    assert play.last.span is None


# beginnings


@pytest.mark.parametrize(
    "data",
    [b"GET / HTTP/1.1\r\n", b"\x16\x03\x01", request(3), bind(kind=ALTER), b"\x05\x00\x0b\x03\x20" + bytes(11)],
)  # fmt: skip
def test_other_protocols(data: bytes) -> None:
    assert Playbook(DCERPC) >> client(data) << ParseError


def test_the_server_does_not_begin() -> None:
    assert Playbook(DCERPC) >> server(bind_ack()) << ParseError


def test_each_end_has_its_own_pdus() -> None:
    assert bound() >> client(response(mapped(tower()))) << ParseError
    assert bound() >> server(request(3)) << ParseError
    assert bound() >> server(pdu(SHUTDOWN))


def test_a_call_of_another_interface_is_no_call_of_the_mapper() -> None:
    assert bound(OBJECT_EXPORTER) >> client(request(3)) >> server(response(mapped(tower())))


def test_another_worker_continues() -> None:
    play = bound().restart() >> client(request(3))
    play.restart() >> server(response(mapped(tower()))) << service(play)
    assert play
