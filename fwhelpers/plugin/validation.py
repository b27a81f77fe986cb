"""Validates the `Helper` objects of plugins against the limits of the kernel, nftables and firewalld."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping, Sequence, Set

from fwhelpers.api import (
    DatagramParser,
    Helper,
    KernelHelper,
    LineParser,
    Parser,
    Policy,
    Setting,
    StreamParser,
)
from fwhelpers.api.failure import describe_failure
from fwhelpers.kernel.transports import PORTLESS

# nft's scanner requires a leading letter; firewalld turns an underscore into a dash; 12 characters
# leave room for the prefix fw- in NF_CT_HELPER_NAME_LEN (16)
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9.-]{0,11}")
_KERNEL_NAME = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,14}")
_MODULE = re.compile(r"[a-z0-9_]{1,55}")  # MODULE_NAME_LEN
_SETTING = re.compile(r"[a-z][a-z0-9_]*")

#: what TOML can express, dates aside
_TOML = (bool, int, float, str, list, tuple, dict)

#: keys of every helper's table. Repeated here because the schema imports this module; a test compares them.
RESERVED = frozenset(
    (
        "backend",
        "destinations",
        "enabled",
        "fail",
        "families",
        "guard",
        "interfaces",
        "ports",
        "sources",
    )
)

MAX_POLICIES = 4  # NF_CT_MAX_EXPECT_CLASSES
MAX_LISTEN_FOR = 16  # NFT_REG_SIZE
MAX_POLICY_NAME = 15  # NF_CT_HELPER_NAME_LEN, with a final zero byte

_FIELDS = (
    ("spec", str),
    ("doc", str),
    ("extra", Mapping),
    ("outgoing", bool),
    ("broadcast", bool),
    ("unicast", bool),
    ("listen_for", bytes),
    ("client_announces", bool),
    ("redirects", bool),
)
#: with the type of their items
_LISTS = (
    ("ports", int),
    ("families", int),
    ("policies", Policy),
    ("settings", Setting),
    ("groups", str),
    ("children", str),
    ("kernel", KernelHelper),
)
#: what a parser must define, by its base class; the most derived class first
_METHODS: tuple[tuple[type[Parser], tuple[str, ...]], ...] = (
    (LineParser, ("line",)),
    (StreamParser, ("message_size", "message")),
    (DatagramParser, ("datagram",)),
    (Parser, ("feed",)),
)


def validate(item: object) -> Iterator[str]:
    """Yield all faults of a declaration."""
    if not isinstance(item, Helper):
        yield f"returned {type(item).__name__!r} instead of a Helper"
        return
    name = item.name if isinstance(item.name, str) else repr(item.name)
    types = list(
        _types(item)
    )  # with a wrong one, the other checks would only give misleading messages
    yield from (f"helper {name}: {fault}" for fault in types)
    if types:
        return
    for check in (
        _name, _l4s, _ports, _families, _parsers, _udp_children, _policies, _settings, _outgoing,
        _kernel,
    ):  # fmt: skip
        for fault in _safely(check, item):
            yield f"helper {name}: {fault}"


def _safely(check: Callable[[Helper], Iterator[str]], helper: Helper) -> Iterator[str]:
    try:
        yield from check(helper)
    except (TypeError, AttributeError, ValueError) as error:  # for example None instead of a list
        yield f"{check.__name__.strip('_')}: wrong type ({error})"


def _name(helper: Helper) -> Iterator[str]:
    if not isinstance(helper.name, str) or not _NAME.fullmatch(helper.name):
        yield "name must be a letter followed by at most 11 letters, digits, dashes or dots"


def _types(helper: Helper) -> Iterator[str]:
    yield from _typed(helper, _FIELDS)
    for name, kind in _LISTS:
        value = getattr(helper, name)
        if isinstance(value, (str, bytes)) or not isinstance(value, (Sequence, Set)):
            yield f"{name} must be a list, not {value!r}"
            continue
        for item in value:
            if not isinstance(item, kind) or isinstance(item, bool):
                yield f"{name} must be a list of {kind.__name__}, not of {item!r}"
    if helper.parser is not None and not isinstance(helper.parser, (type, Mapping)):
        yield f"parser must be a class, or a mapping of l4 to classes, not {helper.parser!r}"


def _typed(item: object, fields: Sequence[tuple[str, type]]) -> Iterator[str]:
    for name, kind in fields:
        value = getattr(item, name)
        if not isinstance(value, kind):
            yield f"{name} must be {kind.__name__}, not {value!r}"


def _l4s(helper: Helper) -> Iterator[str]:
    l4s = helper.l4s
    if not l4s or len(set(l4s)) != len(l4s) or not {"tcp", "udp"}.issuperset(l4s):
        yield f'l4 must be "tcp", "udp" or both, not {helper.l4!r}'


def _ports(helper: Helper) -> Iterator[str]:
    yield from _port_list("ports", helper.ports)


def _port_list(field: str, ports: Sequence[int] | frozenset[int]) -> Iterator[str]:
    invalid = [port for port in ports if not _between(port, 1, 65535)]
    if invalid:
        yield f"{field}: invalid port: {', '.join(map(repr, invalid))}"
    if len(set(ports)) != len(ports):
        yield f"{field}: duplicate port"


def _families(helper: Helper) -> Iterator[str]:
    families = list(helper.families)
    if not families or len(set(families)) != len(families) or not {4, 6}.issuperset(families):
        yield f"families must be 4, 6 or both, not {families}"


def _parsers(helper: Helper) -> Iterator[str]:
    if helper.parser is None:
        if not helper.kernel:
            yield "parser is None, and no helper of the kernel is named"
        return
    if not {"tcp", "udp"}.issuperset(helper.children):
        yield f'children must be "tcp", "udp" or both, not {helper.children!r}'
    l4s = sorted(helper.registered)
    if not {"tcp", "udp"}.issuperset(l4s):
        return
    if isinstance(helper.parser, Mapping) and set(helper.parser) != set(l4s):
        yield f"parser must have the keys {', '.join(l4s)}"
        return
    for l4 in l4s:
        parser = helper.parser_for(l4)
        if not isinstance(parser, type) or not issubclass(parser, Parser):
            yield f"the parser for {l4} is not a subclass of Parser: {parser!r}"
        else:
            yield from _parser(parser, l4)


def _parser(parser: type[Parser], l4: str) -> Iterator[str]:
    wrong, right = (
        (StreamParser, "DatagramParser")
        if l4 == "udp"
        else (DatagramParser, "StreamParser or LineParser")
    )
    if issubclass(parser, wrong):
        yield f"the parser for {l4} must be a {right}: {parser.__name__} is a {wrong.__name__}"
        return
    base, methods = next((b, m) for b, m in _METHODS if issubclass(parser, b))
    missing = [name for name in methods if getattr(parser, name) is getattr(base, name)]
    if missing:
        yield f"the parser {parser.__name__} does not define {' and '.join(missing)}"


def _udp_children(helper: Helper) -> Iterator[str]:
    if not isinstance(helper.udp_children, tuple) or len(helper.udp_children) != 2:
        yield f"udp_children must be two bytes, the lower one first, not {helper.udp_children!r}"
        return
    lowest, highest = helper.udp_children
    if not (_between(lowest, 0, 255) and _between(highest, lowest, 255)):
        yield f"udp_children must be two bytes, the lower one first, not {helper.udp_children!r}"


def _policies(helper: Helper) -> Iterator[str]:
    policies = list(helper.policies)
    if not 1 <= len(policies) <= MAX_POLICIES:
        yield f"{len(policies)} policies: the kernel allows 1 to {MAX_POLICIES}"
    names = [policy.name for policy in policies]
    if len(set(names)) != len(names):
        yield "two policies have the same name"
    for policy in policies:
        for fault in _policy(policy):
            yield f"policy {policy.name}: {fault}"


def _policy(policy: Policy) -> Iterator[str]:
    if not isinstance(policy.name, str) or not policy.name:
        yield "has no name"
    elif len(policy.name.encode()) > MAX_POLICY_NAME:
        yield f"name must be at most {MAX_POLICY_NAME} bytes"
    yield from _typed(policy, (("third_party", bool), ("children_only", bool)))
    for field, low, high in (("max", 1, 255), ("timeout", 1, 86400), ("min_port", 0, 65535)):
        value = getattr(policy, field)
        if not _between(value, low, high):
            yield f"{field} must be {low} to {high}, not {value!r}"
    if policy.l4 and policy.l4 not in PORTLESS:
        yield f"l4 must be a protocol without ports, or empty, not {policy.l4!r}"
    yield from _port_list("ports", policy.ports)


def _outgoing(helper: Helper) -> Iterator[str]:
    has_destination = bool(helper.groups or helper.broadcast)
    if not helper.outgoing:
        if has_destination or helper.unicast or helper.listen_for:
            yield "groups, broadcast, unicast and listen_for require outgoing"
        return
    if helper.listen_for and not (helper.groups and len(helper.listen_for) <= MAX_LISTEN_FOR):
        yield f"listen_for requires groups, and is limited to {MAX_LISTEN_FOR} bytes"
    if helper.l4s != ("udp",):
        yield "an outgoing helper must be udp only"
    if not has_destination:
        yield "an outgoing helper requires groups, broadcast or both"
    families = {4} if helper.broadcast else set()
    for group in helper.groups:
        try:
            network = ipaddress.ip_network(group)
        except ValueError:
            yield f"groups: not an address or prefix: {group!r}"
            return
        families.add(network.version)
        if not network.is_multicast:
            yield f"{group} is not a multicast group"
    if has_destination and families != set(helper.families):
        yield f"groups and broadcast have families {sorted(families)}, not {list(helper.families)}"


def _kernel(helper: Helper) -> Iterator[str]:
    l4s = [kernel.l4 for kernel in helper.kernel]
    if len(set(l4s)) != len(l4s) or not set(helper.l4s).issuperset(l4s):
        yield f"kernel: one helper for each of {', '.join(helper.l4s)}, not {l4s}"
    for kernel in helper.kernel:
        if not _KERNEL_NAME.fullmatch(kernel.name):
            yield f"kernel: not a name of a helper: {kernel.name!r}"
        for module in (kernel.module, *([kernel.nat] if kernel.nat else [])):
            if not _MODULE.fullmatch(module):
                yield f"kernel: not a name of a module: {module!r}"
        if not set(kernel.families) or not set(helper.families).issuperset(kernel.families):
            yield f"kernel: families must be among {list(helper.families)}, not {list(kernel.families)}"


def _settings(helper: Helper) -> Iterator[str]:
    names = [setting.name for setting in helper.settings]
    if len(set(names)) != len(names):
        yield "two settings have the same name"
    for setting in helper.settings:
        for fault in _setting(setting):
            yield f"setting {setting.name}: {fault}"


def _setting(setting: Setting) -> Iterator[str]:
    yield from _typed(setting, (("doc", str),))
    if not _SETTING.fullmatch(setting.name):
        yield "name must be lower-case letters, digits and underscores"
    elif setting.name in RESERVED:
        yield "every helper's table already has this key"
    elif setting.check is not None and not callable(setting.check):
        yield "check is not callable"
    elif setting.check is None and not isinstance(setting.default, _TOML):
        yield f"without check, default must be a value of TOML, not {setting.default!r}"
    elif setting.check is not None:
        try:
            setting.check(setting.default)
        except Exception as error:  # of the plugin: a ValueError, or a bug
            yield f"check refuses the default {setting.default!r}: {describe_failure(error)}"


def _between(value: object, low: int, high: int) -> bool:
    return type(value) is int and low <= value <= high
