"""nftables events and table sizes, over netlink without libnftables.

Each transaction ends with a message that carries only the new generation (nf_tables_api.c: nf_tables_gen_notify). A
socket filter passes no other, so that a ruleset with thousands of elements costs one small message.
"""

from __future__ import annotations

from collections.abc import Sequence

from fwhelpers.kernel import nfnl
from fwhelpers.kernel.nla import DecodeError, number, parse, strz

GROUPS = (7,)  #: NFNLGRP_NFTABLES
COMMITTED = 15  #: NFT_MSG_NEWGEN
_GET_TABLE = 1  # NFT_MSG_GETTABLE
_INET = 1  # NFPROTO_INET
_NAME, _USE = 1, 3  # NFTA_TABLE_NAME, NFTA_TABLE_USE


def encode_get_table(name: str) -> bytes:
    """Encode a request for an inet table; the kernel answers ENOENT if there is none."""
    return nfnl.message(nfnl.NFTABLES, _GET_TABLE, nfnl.ACK, strz(_NAME, name), family=_INET)


def parse_size(answers: Sequence[bytes]) -> int:
    """Return the number of the table's chains, sets and objects. Raises DecodeError."""
    try:
        return number(parse(answers[0])[_USE])
    except (IndexError, KeyError):
        raise DecodeError("table without a use count") from None
