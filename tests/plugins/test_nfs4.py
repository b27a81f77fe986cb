"""NFSv4.0: SETCLIENTID opens the client's callback port for the server, and later calls are not inspected."""

from __future__ import annotations

from struct import pack

import pytest
from fwhelpers_plugins.nfs4 import MAX_CALLS, MAX_RECORD, _Place
from hypothesis import given
from hypothesis import strategies as st
from nfs4_messages import (
    CONFIRM,
    LEASE_TIME,
    NFS4,
    NULL,
    OWN,
    PUBLIC,
    PUTROOTFH,
    ROOT,
    call,
    called_back,
    compound,
    record,
    set_client_id,
)

from fwhelpers.api import Done, Endpoint, Expect, ParseError
from fwhelpers.sansio.records import Records
from fwhelpers.sansio.xdr import Xdr, string
from fwhelpers.testing import Playbook, client, server
from fwhelpers.testing.invariants import Announced, check, check_restart
from fwhelpers.testing.playbook import Message

messages = st.one_of(
    st.builds(set_client_id, st.sampled_from([b"tcp", b"tcp6", b"udp", b""]),
              st.sampled_from([OWN[4][1], OWN[6][1], b"0.0.0.0.0.0", b"10.0.1.2.999.1", b"", b"x"]),
              st.binary(max_size=40), st.lists(st.sampled_from([ROOT, PUBLIC, LEASE_TIME]), max_size=5)),
    st.sampled_from([CONFIRM, NULL, PUTROOTFH, record(b""), compound(35), compound(35, minor=1)]),
    st.builds(call, st.integers(0, 3), st.binary(max_size=40), version=st.sampled_from([3, 4])),
    st.binary(max_size=40),
)  # fmt: skip
plays = st.lists(st.builds(Message, messages, st.booleans()), max_size=6)


@given(plays, st.sampled_from([4, 6]), st.integers(0, 50))
def test_fuzz(script: list[Message], family: int, seed: int) -> None:
    for item in check(NFS4, script, "tcp", family, None, seed):
        if isinstance(item, Announced):
            assert item.server.port == 46081


@given(plays)
def test_another_worker_can_take_over(script: list[Message]) -> None:
    check_restart(NFS4, script, "tcp")


@pytest.mark.parametrize("family", [4, 6])
def test_the_client_names_its_callback_service(family: int) -> None:
    play = Playbook(NFS4, family=family)
    data = set_client_id(*OWN[family])
    play >>= client(NULL)
    end = len(NULL) + len(data) - 4  # callback_ident follows the address
    play = play >> client(data) << called_back(play, (len(NULL), end)) >> client(CONFIRM)
    # Linux sends it twice, and reads the root in between
    assert play >> client(PUTROOTFH, data) << Expect >> client(CONFIRM, PUTROOTFH)


@pytest.mark.parametrize("family", [4, 6])
@pytest.mark.parametrize(
    "before", [[ROOT, LEASE_TIME], [PUBLIC, LEASE_TIME], [ROOT, pack("!4I", 9, 2, 1, 2)], [ROOT]]
)
def test_operations_before_it(family: int, before: list[bytes]) -> None:
    """As Solaris and illumos have them; they are no reason to lose the callbacks."""
    play = Playbook(NFS4, family=family)
    data = set_client_id(*OWN[family], before=before)
    assert play >> client(data) << called_back(play, (0, len(data) - 4))


@pytest.mark.parametrize(
    "before",
    [[pack("!I", 26) + string(b"x")], [ROOT, pack("!I", 15) + string(b"a")], [ROOT] * 5],
)
def test_operations_whose_arguments_are_not_read(before: list[bytes]) -> None:
    assert Playbook(NFS4) >> client(set_client_id(before=before))


@pytest.mark.parametrize(
    ("data", "reason"),
    [(compound(53, minor=1), "callbacks use this connection"),
     (call(1, version=3), "not NFSv4"), (call(1, flavor=6), "arguments are protected by RPCSEC_GSS")],
)  # fmt: skip
def test_the_inspection_ends_with_the_first_other_call(data: bytes, reason: str) -> None:
    play = Playbook(NFS4)
    assert play >> client(data, set_client_id()) << Done(reason) >> client(set_client_id())


def test_it_ends_after_many_calls() -> None:
    play = Playbook(NFS4)
    for _ in range(MAX_CALLS - 1):
        play >>= client(NULL)
    assert play >> client(NULL) << Done("the session has begun")


def test_it_ends_with_a_file_s_data() -> None:
    """They are no error: what was opened stays open."""
    write = b"\x80\x10\0\0" + bytes(200)
    play = Playbook(NFS4) >> client(set_client_id()) << Expect
    assert play >> client(write) << Done("a call with a file's data")
    assert Playbook(NFS4) >> client(write) << ParseError


@pytest.mark.parametrize(
    ("net_id", "address"),
    [
        (b"udp", OWN[4][1]),
        (b"tcp6", OWN[4][1]),
        (b"tcp", b"0.0.0.0.0.0"),
        (b"tcp", b"10.0.1.2.0.0"),
    ],
)
def test_clients_without_callbacks(net_id: bytes, address: bytes) -> None:
    assert Playbook(NFS4) >> client(set_client_id(net_id, address))


@pytest.mark.parametrize(
    "data",
    [b"GET / HTTP/1.1\r\n\r\n", record(b"x" * 40), record(bytes(24)), record(bytes(8)), set_client_id(address=b"x"),
     set_client_id(address=b"10.0.1.2.256.1"), set_client_id(identity=b"x" * 1025)],
)  # fmt: skip
def test_other_bytes_end_the_inspection(data: bytes) -> None:
    assert Playbook(NFS4) >> client(data) << ParseError


def test_what_the_server_sends_opens_nothing() -> None:
    assert Playbook(NFS4) >> server(set_client_id()) >> server(b"x" * 100)


def test_long_calls_are_not_kept() -> None:
    play = Playbook(NFS4) >> client(record(bytes(MAX_RECORD + 4)))
    assert play >> client(set_client_id()) << Expect


def place(data: bytes) -> tuple[_Place, bytes]:
    (complete,) = Records().feed(data)
    address = complete.data.index(b"10.0.1.2.")
    return _Place(complete, address - 4, address + 16), data


@given(st.ip_addresses(v=4).map(str), st.integers(1, 65535))
def test_a_translated_address_fits_the_record(host: str, port: int) -> None:
    """The mark counts the bytes that the address gains or loses."""
    announced, data = place(set_client_id())
    assert announced.span is not None
    start, end = announced.span
    assert start == 0
    visible = Endpoint.parse(host, port)
    texts = [announced.encode(visible), announced.fit(visible, end - start)]
    for text in filter(None, texts):
        changed = text + data[end:]
        (complete,) = Records().feed(changed)
        cursor = Xdr(complete.data, complete.data.index(b"tcp") + 4)
        written = cursor.opaque(64)
        assert cursor.remaining == 4
        *parts, high, low = written.split(b".")
        assert b".".join(parts).decode() == host
        assert int(high) << 8 | int(low) == port
    if texts[1] is not None:
        assert len(texts[1]) == end - start


def test_records_of_several_fragments_are_not_rewritten() -> None:
    data = set_client_id()[4:]
    pieces = len(data[:20]).to_bytes(4, "big") + data[:20] + record(data[20:])
    play = Playbook(NFS4) >> client(pieces) << Expect
    assert isinstance(play.last, Expect)
    assert play.last.span is None
