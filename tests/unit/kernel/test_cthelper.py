from __future__ import annotations

import contextlib

from hypothesis import given
from hypothesis import strategies as st

from fwhelpers.kernel import cthelper, nfnl
from fwhelpers.kernel.cthelper import CtHelper, CtPolicy, parse_helper
from fwhelpers.kernel.nla import DecodeError, parse

RPC = CtHelper("rpc", 2, 17, 1000, 1, 32, (CtPolicy("class0", 8, 60), CtPolicy("class1", 1, 1)))


def test_round_trip() -> None:
    (message,) = nfnl.split(cthelper.encode_new(RPC))
    assert (message.subsystem, message.kind) == (nfnl.CTHELPER, 0)
    assert parse_helper(message.payload) == RPC


def test_excl() -> None:
    (new,) = nfnl.split(cthelper.encode_new(RPC, excl=True))
    assert new.flags & nfnl.EXCL


def test_delete_names_all_three_keys() -> None:
    # with the family but no protocol the kernel would match nothing, with none it would remove every helper
    (message,) = nfnl.split(cthelper.encode_delete(RPC))
    assert sorted(parse(message.payload)) == [1, 2]


def test_text() -> None:
    assert str(RPC) == "rpc inet udp"


@given(st.binary(max_size=200))
def test_garbage(data: bytes) -> None:
    with contextlib.suppress(DecodeError):
        parse_helper(data)
