"""The DCE/RPC parser and hostile input: invariants for arbitrary conversations, bounds, malformed answers."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import pytest
from dcerpc_messages import (
    ALTER,
    ALTER_RESPONSE,
    BIND_NAK,
    DCERPC,
    EPM,
    FAULT,
    FIRST,
    NDR32,
    NDR64,
    NETLOGON,
    ORPHANED,
    PRIVACY,
    RESPONSE,
    SAMR,
    activated,
    bind,
    bind_ack,
    bound,
    created,
    floor,
    inquiry,
    listed,
    mapped,
    pdu,
    request,
    resolved,
    response,
    tower,
)
from fwhelpers_plugins.dcerpc.calls import MAX_FRAGMENTS, MAX_STUB
from fwhelpers_plugins.dcerpc.interfaces import ACTIVATION, OBJECT_EXPORTER, SCM_ACTIVATOR
from hypothesis import given, settings
from hypothesis import strategies as st

from fwhelpers.api import Expect, ParseError, Refuse
from fwhelpers.testing import Playbook, client, server
from fwhelpers.testing.invariants import check, check_restart
from fwhelpers.testing.playbook import Message, new_parser

CONTEXTS = [
    (0, EPM, NDR32), (1, EPM, NDR64), (2, OBJECT_EXPORTER, NDR32), (3, ACTIVATION, NDR32), (4, SCM_ACTIVATOR, NDR32)
]  # fmt: skip
BIND = [
    client(bind(CONTEXTS)),
    server(bind_ack([(0, syntax) for _, _, syntax in CONTEXTS])),
]
STUBS = [
    mapped(tower()), mapped(tower(), b"", tower(49669)), mapped(tower(), wide=True), listed(tower()),
    listed(tower(), wide=True), resolved("a[5000]"), resolved("10.9.9.9[5000]", "10.0.2.2[5001]"), activated("a[1]"),
    created("a[5000]"), bytes(4), bytes(16), b"",
]  # fmt: skip

calls = st.integers(1, 3)
stubs = st.one_of(st.sampled_from(STUBS), st.binary(max_size=80))
client_data = st.one_of(
    st.builds(request, st.integers(0, 5), st.just(inquiry(1)), calls, st.integers(0, 5)),
    st.sampled_from(
        [bind(CONTEXTS[:2]), bind([(9, EPM, NDR32)], 2, kind=ALTER), pdu(ORPHANED), request(2, inquiry(0), of=SAMR)]
    ),
    st.binary(max_size=30),
)  # fmt: skip
server_data = st.one_of(
    st.builds(response, stubs, calls, parts=st.integers(1, 3), level=st.sampled_from([0, 5, PRIVACY])),
    st.builds(lambda stub, call, flags: pdu(RESPONSE, bytes(8) + stub, call, flags=flags), stubs, calls, calls),
    st.sampled_from(
        [bind_ack(), bind_ack(kind=ALTER_RESPONSE, call=2), pdu(BIND_NAK, bytes(8)), pdu(FAULT, bytes(16))]
    ),
    st.binary(max_size=30),
)  # fmt: skip
messages = st.one_of(
    st.builds(Message, client_data, st.just(False)), st.builds(Message, server_data, st.just(True))
)
plays = st.lists(messages, max_size=8).map(lambda script: [*BIND, *script])


@settings(max_examples=40)
@given(plays, st.sampled_from([4, 6]), st.booleans(), st.integers(0, 100))
def test_fuzz(script: Sequence[Message], family: int, lookup: bool, seed: int) -> None:
    check(DCERPC, script, "tcp", family, {"lookup": lookup}, seed)


@given(st.lists(st.builds(Message, st.binary(max_size=60), st.booleans()), max_size=5))
def test_garbage(script: list[Message]) -> None:
    assert check(DCERPC, script, "tcp") in ([], ["ParseError"])


@settings(max_examples=40)
@given(st.sampled_from(STUBS), st.integers(0, 5), st.integers(0, 4), st.integers(0, 10**6))
def test_mutated_answers(stub: bytes, opnum: int, context: int, seed: int) -> None:
    random, mutated = Random(seed), bytearray(stub)
    for _ in range(random.randint(1, 4)):
        if mutated:
            mutated[random.randrange(len(mutated))] = random.choice((0, 1, 7, 0x80, 0xFF))
    ask = client(request(opnum, inquiry(1), context=context))
    outcome = check(DCERPC, [*BIND, ask, server(response(bytes(mutated)))], "tcp", seed=seed)
    assert "ParseError" not in outcome


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 4), st.sampled_from(STUBS)), max_size=4)
)
def test_another_worker_can_take_over(script: list[tuple[int, int, bytes]]) -> None:
    newest = list(BIND)
    for opnum, context, stub in script:
        if context:  # the newest four are stored
            newest += [client(request(opnum, inquiry(1), context=context)), server(response(stub))]
    # pings need the memory that the connections of a client share
    outcome = [item for item in newest if item.data[22:23] not in (b"\1", b"\2")]
    check_restart(DCERPC, outcome, "tcp")


# bounds


def test_an_endless_answer() -> None:
    play = bound() >> client(request(3))
    size = 0
    flags = FIRST
    while size <= MAX_STUB:
        play >> server(pdu(RESPONSE, bytes(8 + 60000), flags=flags))
        size, flags = size + 60000, 0
    assert play << Refuse("G11", f"ept_map: answers of more than {MAX_STUB} bytes")


def test_endless_answers_to_several_calls() -> None:
    play = bound() >> client(request(3, call=1), request(3, call=2), request(3, call=3))
    play >> server(pdu(RESPONSE, bytes(8 + 60000), 1, flags=FIRST))
    play >> server(pdu(RESPONSE, bytes(8 + 60000), 2, flags=FIRST))
    play >> server(pdu(RESPONSE, bytes(8 + 60000), 3, flags=FIRST)) << Refuse
    assert play


def test_empty_fragments() -> None:
    play = bound() >> client(request(3))
    play >> server(pdu(RESPONSE, bytes(8), flags=FIRST))
    play >> server(*[pdu(RESPONSE, bytes(8), flags=0)] * MAX_FRAGMENTS)
    assert play << Refuse("G11", f"ept_map: an answer of more than {MAX_FRAGMENTS} fragments")


def test_what_is_not_read_is_not_kept() -> None:
    parser = new_parser(DCERPC)
    for message in [*BIND, client(request(9, bytes(60000))), server(response(bytes(60000)))]:
        for at in range(0, len(message.data), 1000):
            list(parser.feed(message.data[at : at + 1000], message.reply))
            assert parser.buffered < 1000
    assert parser.boundary(True)
    assert parser.boundary(False)


def test_many_contexts() -> None:
    contexts = [(number, EPM, NDR32) for number in range(255)]
    play = Playbook(DCERPC) >> client(bind(contexts)) >> server(bind_ack([(0, NDR32)] * 255))
    play >> client(request(3, context=254)) >> server(response(mapped(tower()))) << Expect
    assert play >> client(request(3, context=0)) >> server(response(mapped(tower())))


def test_binds_without_answer() -> None:
    play = Playbook(DCERPC) >> client(*(bind(call=call) for call in range(9)))
    play >> server(bind_ack(call=0)) >> client(request(3)) >> server(response(mapped(tower())))
    play >> server(bind_ack(call=8)) >> client(request(3)) >> server(response(mapped(tower())))
    assert play << Expect


# malformed answers


@pytest.mark.parametrize(
    ("stub", "reason"),
    [
        (mapped(*[tower()] * 3, size=2), "an array of 3 elements"),
        (mapped(tower())[:-4], "4 bytes expected"),
        (mapped(tower()) + bytes(16), "16 bytes too many"),
        (mapped(tower()).replace(b"\x4b\0\0\0", b"\x4c\0\0\0", 1), "two sizes of a tower"),
        (bytes(20) + b"\xff" * 40, "4294967295 towers"),
        (mapped(b"\x11\0" + tower()[2:]), "a tower of 17 floors"),
        (mapped(b"\x06\0" + tower()[2:]), "2 bytes expected"),
        (mapped(b"\4\0" + floor(b"", b"") * 4), "a floor without protocol"),
        (mapped(tower(address=bytes(5))), "an address of wrong size"),
        (mapped(tower().replace(b"\2\0\xc2\x04", b"\3\0\xc2\x04\0")), "floors of wrong sizes"),
        (mapped(tower().replace(b"\x13\0\x0d", b"\x12\0\x0d", 1)), ""),
        (b"", "20 bytes expected"),
    ],
)
def test_malformed_answers(stub: bytes, reason: str) -> None:
    play = bound() >> client(request(3)) >> server(response(stub)) << Refuse
    assert isinstance(play.last, Refuse)
    assert (play.last.rule, reason in play.last.reason) == ("G11", True)
    play >> client(request(3)) >> server(response(mapped(tower()))) << Expect
    assert play


def test_wide_numbers() -> None:
    stub = bytearray(mapped(tower(), wide=True))
    stub[40:48] = b"\xff" * 8
    assert bound(wide=True) >> client(request(3)) >> server(response(bytes(stub))) << Refuse


def test_malformed_list() -> None:
    stub = listed(tower(), note=b"x" * 65)
    assert bound() >> client(request(2, inquiry(1))) >> server(response(stub)) << Refuse


def test_fewer_floors() -> None:
    assert (
        bound() >> client(request(3)) >> server(response(mapped(b"\3\0" + floor(b"\x0d", b"") * 3)))
    )


def test_padding_of_a_token() -> None:
    data = bytearray(response(mapped(tower()), level=5))
    data[-22] = 0xFF
    play = bound() >> client(request(3)) >> server(bytes(data))
    assert play << Refuse("G11", "ept_map: more padding than stub data")


@pytest.mark.parametrize(
    "data",
    [
        bind()[:24] + b"\xff" + bind()[25:],
        bind()[:8] + b"\x10\0" + bind()[10:16],
        pdu(0, b"", flags=3),
        b"\5\0\0\3\x10\0\0\0\x18\0\xff\xff\1\0\0\0",
        b"\5\0\1\3\x10\0\0\0\x18\0\0\0\1\0\0\0",
        b"\5\2" + request(3)[2:],
    ],
)
def test_malformed_requests(data: bytes) -> None:
    assert bound() >> client(data) << ParseError


@pytest.mark.parametrize(
    "state",
    [b"\1", b"\1\0\0\x10", b"\0\0", b"\0\0\0\0\1\xff", b"\5\0", b"\0\0\0\0\1\0\0"],
)
def test_invalid_stored_state(state: bytes) -> None:
    parser = new_parser(DCERPC)
    with pytest.raises(ParseError, match="invalid stored state"):
        parser.restore(state)


def test_a_port_opens_for_the_interface_that_was_announced() -> None:
    play = bound(rpc_interfaces=["netlogon"]) >> client(request(3))
    play >> server(response(mapped(tower(interface=SAMR), tower(interface=NETLOGON))))
    assert play << Refuse << Expect
