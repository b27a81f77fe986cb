from __future__ import annotations

import pytest

from fwhelpers.kernel import nfnl, nft_events
from fwhelpers.kernel.nla import DecodeError, be32, strz


def test_what_is_asked() -> None:
    (message,) = nfnl.split(nft_events.encode_get_table("fwhelpers_pin"))
    # NFNL_SUBSYS_NFTABLES, NFT_MSG_GETTABLE; NFPROTO_INET
    assert (message.type, message.family) == (0x0A01, 1)
    assert bytes(message.payload) == strz(1, "fwhelpers_pin")


def test_what_is_answered() -> None:
    assert nft_events.parse_size([strz(1, "x") + be32(3, 7)]) == 7
    for wrong in ([], [strz(1, "x")], [b"\1\0\0\0"]):
        with pytest.raises(DecodeError):
            nft_events.parse_size(wrong)
