"""Is a plugin's `Helper` possible? What the kernel, nftables and firewalld allow, told early."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping, Sequence

from fwhelpers.api import Helper, Parser, Policy, Setting

# a letter first for nft's scanner, no underscore for firewalld (it would read a dash), 12 so that
# the prefix fw- fits into NF_CT_HELPER_NAME_LEN (16)
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9.-]{0,11}")
_SETTING = re.compile(r"[a-z][a-z0-9_]*")

#: keys of every helper's table; spelled out, as `fwhelpers.config` imports this module (a test compares them)
RESERVED = frozenset(
    ("destinations", "enabled", "fail", "families", "guard", "interfaces", "ports", "sources")
)

MAX_POLICIES = 4  # NF_CT_MAX_EXPECT_CLASSES
MAX_HEARD = 16  # NFT_REG_SIZE


def validate(item: object) -> Iterator[str]:
    """Everything that is wrong with a declaration."""
    if not isinstance(item, Helper):
        yield f"offers {type(item).__name__!r} where a Helper belongs"
        return
    name = item.name if isinstance(item.name, str) else repr(item.name)
    for check in (_name, _l4s, _ports, _families, _parsers, _policies, _settings, _outgoing):
        for fault in _safely(check, item):
            yield f"helper {name}: {fault}"


def _safely(check: Callable[[Helper], Iterator[str]], helper: Helper) -> Iterator[str]:
    try:
        yield from check(helper)
    except (TypeError, AttributeError, ValueError) as error:  # None where a list belongs …
        yield f"{check.__name__.strip('_')}: wrong type ({error})"


def _name(helper: Helper) -> Iterator[str]:
    if not isinstance(helper.name, str) or not _NAME.fullmatch(helper.name):
        yield "the name must be a letter and up to 11 letters, digits, dashes or dots"


def _l4s(helper: Helper) -> Iterator[str]:
    l4s = helper.l4s
    if not l4s or len(set(l4s)) != len(l4s) or not {"tcp", "udp"}.issuperset(l4s):
        yield f'l4 must be "tcp", "udp" or both, not {helper.l4!r}'


def _ports(helper: Helper) -> Iterator[str]:
    yield from _port_list("ports", helper.ports)


def _port_list(what: str, ports: Sequence[int] | frozenset[int]) -> Iterator[str]:
    bad = [port for port in ports if not _between(port, 1, 65535)]
    if bad:
        yield f"{what}: no such port: {', '.join(map(repr, bad))}"
    if len(set(ports)) != len(ports):
        yield f"{what}: a port is there twice"


def _families(helper: Helper) -> Iterator[str]:
    given = list(helper.families)
    if not given or len(set(given)) != len(given) or not {4, 6}.issuperset(given):
        yield f"families must be 4, 6 or both, not {given}"


def _parsers(helper: Helper) -> Iterator[str]:
    l4s = sorted(helper.registered)
    if not {"tcp", "udp"}.issuperset(l4s):
        yield f'children must be of "tcp", "udp" or both, not {helper.children!r}'
        return
    if isinstance(helper.parser, Mapping) and set(helper.parser) != set(l4s):
        yield f"parser must be given for {', '.join(l4s)}"
        return
    for l4 in l4s:
        parser = helper.parser_for(l4)
        if not isinstance(parser, type) or not issubclass(parser, Parser):
            yield f"the parser for {l4} is no subclass of Parser: {parser!r}"


def _policies(helper: Helper) -> Iterator[str]:
    policies = list(helper.policies)
    if not 1 <= len(policies) <= MAX_POLICIES:
        yield f"{len(policies)} policies: the kernel has room for 1 to {MAX_POLICIES}"
    names = [policy.name for policy in policies]
    if len(set(names)) != len(names):
        yield "two policies have the same name"
    for policy in policies:
        for fault in _policy(policy):
            yield f"policy {policy.name}: {fault}"


def _policy(policy: Policy) -> Iterator[str]:
    if not isinstance(policy, Policy):
        yield "is no Policy"
        return
    if not isinstance(policy.name, str) or not policy.name:
        yield "has no name"
    for field, low, high in (("max", 1, 255), ("timeout", 1, 86400), ("min_port", 0, 65535)):
        value = getattr(policy, field)
        if not _between(value, low, high):
            yield f"{field} must be {low} to {high}, not {value!r}"
    yield from _port_list("ports", policy.ports)


def _outgoing(helper: Helper) -> Iterator[str]:
    given = bool(helper.groups or helper.broadcast)
    if not helper.outgoing:
        if given or helper.listen_for:
            yield "groups, broadcast and listen_for are for helpers that are outgoing"
        return
    if helper.listen_for and not (helper.groups and len(helper.listen_for) <= MAX_HEARD):
        yield f"listen_for needs groups, and is at most {MAX_HEARD} bytes"
    if helper.l4s != ("udp",):
        yield "an outgoing helper is for udp only"
    if not given:
        yield "an outgoing helper needs groups, broadcast or both"
    families = {4} if helper.broadcast else set()
    for group in helper.groups:
        network = ipaddress.ip_network(group)
        families.add(network.version)
        if not network.is_multicast:
            yield f"{group} is no multicast group"
    if given and families != set(helper.families):
        yield f"groups and broadcast are of families {sorted(families)}, not {list(helper.families)}"


def _settings(helper: Helper) -> Iterator[str]:
    names = [setting.name for setting in helper.settings]
    if len(set(names)) != len(names):
        yield "two settings have the same name"
    for setting in helper.settings:
        for fault in _setting(setting):
            yield f"setting {setting.name}: {fault}"


def _setting(setting: Setting) -> Iterator[str]:
    if not isinstance(setting, Setting):
        yield "is no Setting"
    elif not _SETTING.fullmatch(setting.name):
        yield "the name must be lower-case letters, digits and underscores"
    elif setting.name in RESERVED:
        yield "every helper has a key of that name"
    elif setting.check is not None and not callable(setting.check):
        yield "its check is no function"


def _between(value: object, low: int, high: int) -> bool:
    return type(value) is int and low <= value <= high
