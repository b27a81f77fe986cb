"""What we ask nftables itself, without libnftables: that something has changed, and whether a table is whole.

Each transaction ends with a message of its own that says no more than that (nf_tables_api.c: nf_tables_gen_notify);
a socket filter lets these alone pass, so that a ruleset of thousands of elements costs one small message.
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
    """Ask for an inet table; the kernel answers ENOENT if there is none."""
    return nfnl.message(nfnl.NFTABLES, _GET_TABLE, nfnl.ACK, strz(_NAME, name), family=_INET)


def parse_size(answers: Sequence[bytes]) -> int:
    """How many chains, sets and objects the table has. Raises DecodeError."""
    try:
        return number(parse(answers[0])[_USE])
    except (IndexError, KeyError):
        raise DecodeError("a table without a count of what it holds") from None
