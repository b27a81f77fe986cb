"""The transports of expected connections: the closed list of those that an expectation may have.

For a protocol without a tracker of its own conntrack compares addresses and protocol number alone
(nf_conntrack_proto_generic.c). Everything of that protocol between two hosts is then one connection. That is what ESP
needs, and what no protocol with ports may get: CVE-2014-8160 was such a match for SCTP and GRE. A number that is not
in this list is never expected.
"""

from __future__ import annotations

from typing import Final

#: IANA protocol numbers by the names that `Expect.l4` has
NUMBERS: Final = {"tcp": 6, "udp": 17, "esp": 50}

#: protocols that have no ports
PORTLESS: Final = frozenset({"esp"})

_NAMES: Final = {number: name for name, number in NUMBERS.items()}
_PORTLESS_NUMBERS: Final = frozenset(NUMBERS[name] for name in PORTLESS)


def name_of(number: int) -> str:
    """Return a protocol's name, or its number as text if it is not in the list."""
    return _NAMES.get(number, str(number))


def is_known(number: int) -> bool:
    """Return whether the protocol is in the list."""
    return number in _NAMES


def has_ports(number: int) -> bool:
    """Return whether tuples of the protocol have ports. Protocols that are not in the list count as if."""
    return number not in _PORTLESS_NUMBERS
