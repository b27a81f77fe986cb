"""keepalived.conf: the VRRP instances and their groups, as far as they tell which gateway is active."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Interface, IPv6Interface, ip_interface
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

KEEPALIVED = Path("/etc/keepalived/keepalived.conf")


@dataclass(slots=True)
class Block:
    """A line and, if it opens a brace, the lines within."""

    words: list[str]
    lines: list[Block] = field(default_factory=list)


class Instance(NamedTuple):
    """A vrrp_instance."""

    name: str
    state: str  #: MASTER, or BACKUP
    addresses: tuple[IPv4Interface | IPv6Interface, ...]

    @property
    def families(self) -> set[int]:
        return {address.version for address in self.addresses}


class Vrrp(NamedTuple):
    """What a configuration says about VRRP."""

    instances: tuple[Instance, ...] = ()
    groups: tuple[frozenset[str], ...] = ()
    complete: bool = True  #: False: it includes other files, which are not read

    def apart(self) -> Iterator[tuple[Instance, Instance]]:
        """Yield instances of one family that may be active on different gateways."""
        if not self.complete:
            return
        for first, second in combinations(self.instances, 2):
            together = any({first.name, second.name} <= group for group in self.groups)
            if not together and first.families & second.families:
                yield first, second

    def addresses(self) -> list[str]:
        """Return the virtual addresses, without their prefix lengths."""
        hosts = (str(a.ip) for instance in self.instances for a in instance.addresses)
        return list(dict.fromkeys(hosts))


def parse(text: str) -> Vrrp:
    """Parse a configuration; what is not understood is left out."""
    top = _blocks(text)
    instances = (
        _instance(block) for block in top if block.words[0] == "vrrp_instance" and block.words[1:]
    )
    groups = (
        frozenset(word for line in inner.lines for word in line.words)
        for block in top
        if block.words[0] == "vrrp_sync_group"
        for inner in block.lines
        if inner.words[0] == "group"
    )
    complete = not any(line.strip().startswith("include") for line in text.splitlines())
    return Vrrp(tuple(instances), tuple(groups), complete)


def state_of(addresses: Sequence[str], own: Collection[str]) -> str:
    """Return "active", "standby" or "partly active": by the virtual addresses that this host has."""
    present = sum(address in own for address in addresses)
    if present == len(addresses):
        return "active"
    return "partly active" if present else "standby"


def _instance(block: Block) -> Instance:
    state, addresses = "BACKUP", []
    for line in block.lines:
        if line.words[0] == "state" and line.words[1:]:
            state = line.words[1]
        elif line.words[0] in ("virtual_ipaddress", "virtual_ipaddress_excluded"):
            addresses += [address for inner in line.lines for address in _address(inner.words[0])]
    return Instance(block.words[1], state, tuple(addresses))


def _address(word: str) -> Iterator[IPv4Interface | IPv6Interface]:
    try:
        yield ip_interface(word)
    except ValueError:  # a variable ($NAME)
        return


def _blocks(text: str) -> list[Block]:
    top: list[Block] = []
    open_blocks = [top]
    for line in text.splitlines():
        words = line.partition("#")[0].partition("!")[0]
        for word in words.replace("{", " \0{ ").replace("}", " \0} ").split(" \0"):
            _enter(word.strip(), open_blocks)
    return top


def _enter(word: str, open_blocks: list[list[Block]]) -> None:
    """Add a line, or the rest of a line behind a brace."""
    brace = word[:1] if word[:1] in ("{", "}") else ""
    if brace == "{" and open_blocks[-1]:
        open_blocks.append(open_blocks[-1][-1].lines)
    elif brace == "}" and len(open_blocks) > 1:
        open_blocks.pop()
    rest = word.removeprefix(brace).split()
    if rest:
        open_blocks[-1].append(Block(rest))
