"""The syntax elements of our nftables text. Each function validates its input, so no other text can get in."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Sequence

from fwhelpers.config.validators import Network

#: our tables
TABLE = "fwhelpers"
PIN_TABLE = "fwhelpers_pin"
CHECK_TABLE = "fwhelpers_check"  #: for dry runs; a running service owns TABLE

L4S = ("udp", "tcp")

# what nft's scanner (src/scanner.l) reads as one word, quoted or not
_OBJECT = re.compile(r"[A-Za-z][A-Za-z0-9.-]{0,15}")
_INTERFACE = re.compile(r"[A-Za-z0-9_.+=@-]{1,15}")
_CHAIN = re.compile(r"[a-z][A-Za-z0-9_./-]{0,127}")
_MAC = re.compile(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}")
_COMMENT = re.compile(r"[A-Za-z0-9 .,:-]{1,127}")  # the length is nft's limit


def addresses(family: int, field: str, networks: Sequence[Network]) -> Iterator[str]:
    """Yield a match on the source ("saddr") or destination ("daddr"), nothing without networks."""
    if networks:
        keyword = "ip" if family == 4 else "ip6"
        yield f"{keyword} {field} {anonymous_set(collapsed(family, networks))}"


def collapsed(family: int, networks: Sequence[Network]) -> list[str]:
    """Return the prefixes of a family without overlaps."""
    # an interval set refuses elements that overlap
    if family == 4:
        four = [n for n in networks if isinstance(n, ipaddress.IPv4Network)]
        return [prefix(n) for n in ipaddress.collapse_addresses(four)]
    six = [n for n in networks if isinstance(n, ipaddress.IPv6Network)]
    return [prefix(n) for n in ipaddress.collapse_addresses(six)]


def whole_table(name: str, sections: Sequence[Sequence[str]]) -> str:
    """Return one of our tables with its sections."""
    body = "\n".join("".join(f"\t{line}\n" for line in section) for section in sections)
    return f"table inet {identifier(name)} {{\n{body}}}\n"


def base_chain(
    name: str, hook: str, priority: int, purpose: str, rules: Sequence[str]
) -> list[str]:
    """Return a chain at a hook. `purpose` becomes its comment."""
    hooked = f"type filter hook {hook} priority {priority}; policy accept;"
    return chain(name, purpose, [hooked, *rules])


def chain(name: str, purpose: str, rules: Sequence[str]) -> list[str]:
    """Return a chain. `purpose` becomes its comment."""
    return block(f"chain {chain_name(name)}", [comment(purpose), *rules])


def comment(text: str) -> str:
    """Return the comment of a chain or rule."""
    if not _COMMENT.fullmatch(text):
        raise ValueError(f"not a comment for nftables: {text!r}")
    return f'comment "{text}"'


def block(head: str, lines: Sequence[str]) -> list[str]:
    """Return lines in braces."""
    return [f"{head} {{", *(f"\t{line}" for line in lines), "}"]


def anonymous_set(items: Sequence[str]) -> str:
    """Return the value, or an anonymous set of several values."""
    return items[0] if len(items) == 1 else f"{{ {', '.join(items)} }}"


def port_numbers(ports: Iterable[int]) -> list[str]:
    """Return sorted ports."""
    return [number(port, 1, 65535) for port in sorted(ports)]


def number(value: int, low: int, high: int) -> str:
    """Return a number within a range."""
    if type(value) is not int or not low <= value <= high:
        raise ValueError(f"not a number from {low} to {high}: {value!r}")
    return str(value)


def prefix(network: Network) -> str:
    """Return an address or prefix."""
    # from the packed address, because an IPv6 zone (%eth0) would be free text
    address = ipaddress.ip_address(network.network_address.packed)
    whole = network.prefixlen == network.max_prefixlen
    return str(address) if whole else f"{address}/{network.prefixlen}"


def transport(name: str) -> str:
    """Return the transport, "udp" or "tcp"."""
    if name not in L4S:
        raise ValueError(f"not a transport: {name!r}")
    return name


def identifier(name: str) -> str:
    """Return the name of a table or object."""
    if name not in (TABLE, PIN_TABLE, CHECK_TABLE) and not _OBJECT.fullmatch(name):
        raise ValueError(f"not a name for nftables: {name!r}")
    return name


def quoted(name: str) -> str:
    """Return the quoted name of an interface."""
    if not _INTERFACE.fullmatch(name):
        raise ValueError(f"not an interface: {name!r}")
    return f'"{name}"'


def wildcard(name: str) -> str:
    """Return the quoted name of an interface in firewalld's form, where a final + is a wildcard."""
    if not name.endswith("+"):
        return quoted(name)
    return f'{quoted(name.removesuffix("+") or "+")[:-1]}*"'


def chain_name(name: str) -> str:
    """Return the name of a chain."""
    if not _CHAIN.fullmatch(name):
        raise ValueError(f"not a name for a chain: {name!r}")
    return name


def mac(address: str) -> str:
    """Return a hardware address."""
    if not _MAC.fullmatch(address):
        raise ValueError(f"not a hardware address: {address!r}")
    return address
