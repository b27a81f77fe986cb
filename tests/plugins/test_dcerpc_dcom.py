"""DCOM: activations, the object resolver, and pings."""

from __future__ import annotations

from uuid import UUID

import pytest
from dcerpc_messages import (
    INTEGRITY,
    PRIVACY,
    activated,
    alive,
    array,
    bound,
    created,
    request,
    resolved,
    resolved_old,
    response,
)
from fwhelpers_plugins.dcerpc.bindings import Bindings
from fwhelpers_plugins.dcerpc.interfaces import ACTIVATION, OBJECT_EXPORTER, SCM_ACTIVATOR
from fwhelpers_plugins.dcerpc.ndr import Ndr

from fwhelpers.api import Endpoint, Expect, ParseError, Refuse
from fwhelpers.testing import Playbook, client, server

NAME, ADDRESS, OTHER = "DC1[49724]", "10.0.2.2[49724]", "10.9.9.9[49724]"

#: interface, procedure, name, function that makes the answer
ANSWERS = [
    (OBJECT_EXPORTER, 0, "ResolveOxid", resolved_old),
    (OBJECT_EXPORTER, 4, "ResolveOxid2", resolved),
    (OBJECT_EXPORTER, 5, "ServerAlive2", alive),
    (ACTIVATION, 0, "RemoteActivation", activated),
    (SCM_ACTIVATOR, 3, "RemoteGetClassObject", created),
    (SCM_ACTIVATOR, 4, "RemoteCreateInstance", created),
]


def exporter(play: Playbook, trigger: str = "ResolveOxid2", port: int = 49724) -> Expect:
    return Expect(
        play.client, play.server.at(port), permanent=True, timeout=300, trigger=trigger
    )  # fmt: skip


def resolve(*texts: str, family: int = 4, address: str = "peer", **settings: object) -> Playbook:
    play = bound(OBJECT_EXPORTER, family, address=address, **settings) >> client(request(4))
    return play >> server(response(resolved(*texts)))


@pytest.mark.parametrize(
    ("interface", "opnum", "name", "answer"), ANSWERS, ids=lambda item: str(item)[:20]
)
@pytest.mark.parametrize("text", [NAME, ADDRESS])
def test_answers(interface: UUID, opnum: int, name: str, answer: object, text: str) -> None:
    play = bound(interface) >> client(request(opnum))
    play >> server(response(answer(text)))  # type: ignore[operator]
    assert play << exporter(play, name)


def test_an_answer_by_impacket() -> None:
    """ResolveOxid2Response, encoded by impacket 0.10.0."""
    stub = bytes.fromhex(
        "49390000 16000000 1600 1200 0700310030002e0030002e0032002e0032005b00340039003700320034005d00"
        "0000 0000 0900ffff00000000 01010101010101010101010101010101 01000000 0500 0700 00000000"
    )
    play = bound(OBJECT_EXPORTER) >> client(request(4)) >> server(response(stub))
    assert play << exporter(play)


@pytest.mark.parametrize("little", [True, False])
@pytest.mark.parametrize("wide", [True, False])
@pytest.mark.parametrize("inner", [True, False])
def test_representations(little: bool, wide: bool, inner: bool) -> None:
    play = bound(SCM_ACTIVATOR, little=little, wide=wide) >> client(request(4, little=little))
    stub = created(NAME, little=little, wide=wide, inner=inner)
    play >> server(response(stub, little=little)) << exporter(play, "RemoteCreateInstance")
    play = bound(OBJECT_EXPORTER, little=little, wide=wide) >> client(request(4, little=little))
    play >> server(response(resolved(NAME, little=little, wide=wide), little=little))
    assert play << exporter(play)


@pytest.mark.parametrize(
    ("interface", "opnum", "stub"),
    [
        (OBJECT_EXPORTER, 4, resolved(NAME, status=5)),
        (ACTIVATION, 0, activated(NAME, status=0x80070005)),
        (SCM_ACTIVATOR, 4, created(NAME, status=0x80070005)),
        (SCM_ACTIVATOR, 4, bytes(8) + bytes(4) + b"\x05\0\x07\x80"),
    ],
)
def test_failures(interface: UUID, opnum: int, stub: bytes) -> None:
    assert bound(interface) >> client(request(opnum)) >> server(response(stub))


def test_name_and_address_are_the_same_host() -> None:
    play = resolve(NAME, ADDRESS, OTHER)
    assert play << exporter(play)


def test_several_ports() -> None:
    play = resolve(NAME, "10.0.2.2[49725]")
    assert play << exporter(play) << exporter(play, port=49725)


def test_another_address_is_announced_if_it_is_all() -> None:
    play = resolve(OTHER)
    foreign = Endpoint.parse("10.9.9.9", 49724)
    expected = Expect(
        play.client, foreign, permanent=True, timeout=300, trigger="ResolveOxid2"
    )  # fmt: skip
    assert play << expected
    play = resolve(NAME, OTHER, address="announced")
    assert play << exporter(play) << expected


@pytest.mark.parametrize(
    "text",
    [
        "DC1", "DC1[]", "DC1[0]", "DC1[049]", "DC1[99999]", "DC1[x]", "[49724]", "DC1[1][2]", "10.0.2[49724]",
        "fd02::2[49724]", "fe80::1%4[49724]", "1:2:3[49724]",
    ],
)  # fmt: skip
def test_texts_that_announce_nothing(text: str) -> None:
    assert resolve(text)


def test_ipv6() -> None:
    play = resolve("10.0.2.2[49724]", "fd02::2[49724]", family=6)
    assert play << exporter(play)


def test_other_transports() -> None:
    stub = bytes(12) + array(NAME, protocol=0x1F)
    assert Bindings.read(Ndr(array(NAME, protocol=0x1F))).items[0].host == ""
    assert bound(OBJECT_EXPORTER) >> client(request(9)) >> server(response(stub))


def test_the_resolver_itself_is_open_already() -> None:
    assert resolve("DC1[135]")


def test_interfaces() -> None:
    play = resolve(NAME, rpc_interfaces=["netlogon"])
    reason = "interface IObjectExporter is not in `rpc_interfaces`"
    assert play << Refuse("G6", reason, play.server.at(49724))
    play = resolve(NAME, rpc_interfaces=["iobjectexporter"])
    assert play << exporter(play)


def test_extensions_are_passed_over() -> None:
    stub = bytearray(created(NAME))
    stub[4:8] = bytes([2, 0, 0, 0])
    extent = bytes([1, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0])  # one extension
    extent += bytes([2, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0])  # two places, one of them empty
    extent += bytes([8, 0, 0, 0]) + bytes(16) + bytes([8, 0, 0, 0]) + bytes(8)
    stub[8:8] = extent
    play = bound(SCM_ACTIVATOR) >> client(request(4)) >> server(response(bytes(stub)))
    assert play << exporter(play, "RemoteCreateInstance")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"MEOW", b"MEOX"),
        (b"\x39\x03\0\0\0\0\0\0\xc0", b"\x38\x03\0\0\0\0\0\0\xc0"),
        (b"\1\x10\x08\0", b"\2\x10\x08\0"),
        (b"\1\x10\x08\0", b"\1\x11\x08\0"),
        (b"\2\0\0\0" + bytes(16) + b"\1\0\0\0", b"\x20\0\0\0" + bytes(16) + b"\1\0\0\0"),
        (b"\2\0\0\0\x39\x03", b"\3\0\0\0\x39\x03"),
    ],
)
def test_malformed_properties(old: bytes, new: bytes) -> None:
    stub = created(NAME)
    assert old in stub
    play = bound(SCM_ACTIVATOR) >> client(request(4))
    assert play >> server(response(stub.replace(old, new, 1))) << Refuse


def test_properties_without_the_reply() -> None:
    stub = created(NAME).replace(b"\xb6\1\0\0", b"\xb7\1\0\0")
    assert bound(SCM_ACTIVATOR) >> client(request(4)) >> server(response(stub))


@pytest.mark.parametrize("size", [1, 4, 20, 60])
def test_cut_answers(size: int) -> None:
    stub = resolved(NAME)[:-size]
    assert bound(OBJECT_EXPORTER) >> client(request(4)) >> server(response(stub)) << Refuse


@pytest.mark.parametrize(
    "data",
    [
        array(NAME)[:4] + b"\0\0" + array(NAME)[6:],
        array(NAME)[:6] + b"\0\0" + array(NAME)[8:],
        array(*["a"] * 65),
        b"\4\0\0\0\4\0\4\0" + b"\7\0a\0b\0c\0",
        b"\3\0\0\0\3\0\3\0" + b"\7\0a\0\0\0",
    ],
)
def test_malformed_arrays(data: bytes) -> None:
    with pytest.raises(ParseError):
        Bindings.read(Ndr(data))


# pings


def pings(play: Playbook, stub: bytes = bytes(4), opnum: int = 1) -> Playbook:
    return play >> client(request(opnum, call=9)) >> server(response(stub, call=9))


@pytest.mark.parametrize(("opnum", "stub"), [(1, bytes(4)), (2, bytes(16))])
def test_pings_renew(opnum: int, stub: bytes) -> None:
    play = resolve(NAME)
    play << exporter(play)
    assert pings(play, stub, opnum) << exporter(play, "ping")


@pytest.mark.parametrize(
    ("opnum", "stub"), [(1, b"\5\0\0\0"), (2, bytes(12) + b"\5\0\0\0"), (3, bytes(4))]
)
def test_pings_that_fail(opnum: int, stub: bytes) -> None:
    play = resolve(NAME)
    play << exporter(play)
    assert pings(play, stub, opnum)


def test_pings_renew_the_newest_ports() -> None:
    play = bound(OBJECT_EXPORTER)
    for port in (*range(5000, 5010), 5003):
        play >> client(request(4)) >> server(response(resolved(f"a[{port}]")))
        play << exporter(play, port=port)
    pings(play)
    for port in (5002, 5004, 5005, 5006, 5007, 5008, 5009, 5003):
        play << exporter(play, "ping", port)
    assert play


def test_a_ping_before_anything_is_announced() -> None:
    assert pings(bound(OBJECT_EXPORTER))


# protection


def test_an_encrypted_answer() -> None:
    play = bound(OBJECT_EXPORTER) >> client(request(4))
    play >> server(response(resolved(NAME), level=PRIVACY))
    assert play << Refuse("G11", "ResolveOxid2: the answer is encrypted")


def test_a_signed_answer() -> None:
    play = bound(OBJECT_EXPORTER) >> client(request(4))
    play >> server(response(resolved(NAME), level=INTEGRITY)) << exporter(play)
    assert isinstance(play.last, Expect)
    assert play.last.span is None


def test_a_signed_address_is_not_rewritten() -> None:
    play = bound(OBJECT_EXPORTER) >> client(request(4))
    play >> server(response(resolved(ADDRESS), level=INTEGRITY)) << exporter(play)
    assert isinstance(play.last, Expect)
    assert play.last.span is not None
    assert play.last.encode is None
