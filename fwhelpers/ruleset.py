"""The nftables text that we load: pure functions of the configuration.

    prerouting, output  -150   after conntrack, before DNAT: give new connections their helper
    postrouting, input   290   after NAT and all filters, before the confirm: queue what matters
    output               290   the same for requests to groups and broadcast addresses: behind it IPv4 clones the
                               packet for the host itself, and a queue drops clones of unconfirmed connections
                               (ip_mc_output(); nf_ct_drop_unconfirmed() in nfnetlink_queue.c)

Text, not JSON: the JSON of nft 1.0.6 silently drops `flags owner`. Every word comes from here or
through one of the checks at the end; nothing else can get in.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from fwhelpers.api import Helper
from fwhelpers.config import Config, HelperConfig, places
from fwhelpers.kernel import labels
from fwhelpers.values import Network

TABLE = "fwhelpers"
PIN_TABLE = "fwhelpers_pin"
CHECK_TABLE = "fwhelpers_check"  #: for dry runs: TABLE belongs to the daemon, if one runs

#: enum ip_conntrack_status: IPS_HELPER, IPS_EXPECTED
_HAS_HELPER, _EXPECTED = 0x2000, 1

_L4S = ("udp", "tcp")
_FAILS = {"closed": "", "open": "flags bypass "}  # closed first: it wins where both name a port

Enabled = tuple[HelperConfig, Helper]

# what nft's scanner (src/scanner.l) reads as one word, quoted or not
_OBJECT = re.compile(r"[A-Za-z][A-Za-z0-9.-]{0,15}")
_INTERFACE = re.compile(r"[A-Za-z0-9_.+=@-]{1,15}")


def build(
    config: Config,
    helpers: Mapping[str, Helper],
    queues: range,
    table: str = TABLE,
    unregistered: bool = False,
) -> str:
    """The steering table for these of the configured helpers, as one transaction.

    It replaces an owned table of that name without a gap: a transaction becomes visible as a whole,
    and chains that it adds are empty, so accept, until then (nf_tables_api.c: nf_tables_commit).
    `unregistered` leaves out what refers to helpers in the kernel, for a dry run.
    """
    if not queues or queues.step != 1 or not 0 <= queues[0] <= queues[-1] <= 65535:
        raise ValueError(f"no range of queues: {queues}")
    enabled = [(config.helpers[name], helper) for name, helper in helpers.items()]
    steer = config.daemon.steering == "rules"
    sections = [["flags owner"]]
    if enabled and not unregistered:
        sections += [*_objects(h for _, h in enabled), *_assignment(enabled, steer)]
    if enabled and steer:
        sections += _steering(enabled, queues)
    return teardown(table) + _table(table, sections)


def teardown(table: str = TABLE) -> str:
    """Delete our steering table, whether or not it is there."""
    return _table(table, [["flags owner"]]) + f"delete table inet {_word(table)}\n"


def pin_table(helpers: Iterable[Helper]) -> str:
    """A table without owner that refers to each helper; added again it takes what is new."""
    return _table(PIN_TABLE, list(_objects(helpers)))


def unpin() -> str:
    """Delete the pins, whether or not they are there."""
    return _table(PIN_TABLE, []) + f"delete table inet {PIN_TABLE}\n"


def object_name(helper: Helper, l4: str) -> str:
    """The name of a helper's nftables object."""
    return _word(f"{helper.name}-{_l4(l4)}")


def _objects(helpers: Iterable[Helper]) -> Iterator[list[str]]:
    for helper in helpers:
        for l4 in helper.registered:
            kind = f'type "{_word(helper.kernel_name)}" protocol {_l4(l4)}'
            yield _block(f"ct helper {object_name(helper, l4)}", [kind])


def _assignment(enabled: Sequence[Enabled], label: bool) -> list[list[str]]:
    plain = [one for one in enabled if not one[1].outgoing]
    asking = [one for one in enabled if one[1].outgoing]
    chains = {
        "assign": _assign_all(plain, label),
        # requests to groups and broadcast addresses: of others only where the configuration says so
        "assign-forwarded": _assign_all([one for one in asking if one[0].interfaces], label),
        "assign-outgoing": _assign_all([(replace(c, interfaces=()), h) for c, h in asking], label),
        "assign-heard": [r for c, h in asking if h.heard for r in _assign_heard(c, h, label)],
    }
    used = {name: rules for name, rules in chains.items() if rules}
    # only a connection's first packet can give it one (nft_ct.c: nft_ct_helper_obj_eval)
    sections = [_block(f"chain {n}", ["ct state != new return", *r]) for n, r in used.items()]
    for hook, jumps in _ASSIGNING.items():
        rules = [f"jump {name}" for name in jumps if name in used]
        if rules:
            sections.append(_base(f"assign-{hook}", hook, -150, rules))
    return sections


_ASSIGNING = {
    "prerouting": ("assign", "assign-forwarded", "assign-heard"),
    "output": ("assign", "assign-outgoing"),
}


def _assign_all(enabled: Sequence[Enabled], label: bool) -> list[str]:
    return [
        rule
        for config, helper in enabled
        for l4 in helper.l4s
        for rule in _assign(config, helper, l4, label)
    ]


def _assign(config: HelperConfig, helper: Helper, l4: str, label: bool) -> Iterator[str]:
    ports = f"{_l4(l4)} dport {_set(_ports(config.ports))}"
    mark = f" ct label set {labels.ASSIGNED}" if label else ""
    for where in _targets(config, helper) if helper.outgoing else _where(config):
        match = [*_incoming(config.interfaces), *where, ports]
        yield f'{" ".join(match)} counter{mark} ct helper set "{object_name(helper, l4)}"'


def _assign_heard(config: HelperConfig, helper: Helper, label: bool) -> Iterator[str]:
    """What others announce to a group, and this host hears; who asks does not matter here."""
    mark = f" ct label set {labels.ASSIGNED}" if label else ""
    begins = f"@ih,0,{8 * len(helper.heard)} {int.from_bytes(helper.heard, 'big'):#x}"
    for where in _targets(replace(config, sources=()), replace(helper, broadcast=False)):
        match = [*_incoming(config.interfaces), *where, f"udp dport {_set(_ports(config.ports))}"]
        assign = f'ct helper set "{object_name(helper, "udp")}"'
        yield f"{' '.join(match)} {begins} counter{mark} {assign}"


def _targets(config: HelperConfig, helper: Helper) -> Iterator[list[str]]:
    """Where requests go to: groups by family, and broadcast addresses."""
    groups = [ipaddress.ip_network(group) for group in helper.groups]
    for family, sources, destinations in places(config):
        limits = [
            *_addresses(family, "saddr", sources),
            *_addresses(family, "daddr", destinations),
        ]
        target = [group for group in groups if group.version == family]
        if target:
            yield [*limits, *_addresses(family, "daddr", target)]
        if helper.broadcast and family == 4:
            yield [*(limits or ["meta nfproto ipv4"]), "fib daddr type broadcast"]


def _incoming(interfaces: Sequence[str]) -> Iterator[str]:
    if interfaces:
        yield f"iifname {_set([_quoted(name) for name in sorted(interfaces)])}"


def _where(config: HelperConfig) -> Iterator[list[str]]:
    if not config.sources and not config.destinations and set(config.families) == {4, 6}:
        yield []
        return
    for family, sources, destinations in places(config):
        source = _addresses(family, "saddr", sources)
        destination = _addresses(family, "daddr", destinations)
        yield [*source, *destination] or [f"meta nfproto ipv{_number(family, 4, 6)}"]


def _addresses(family: int, field: str, networks: Sequence[Network]) -> Iterator[str]:
    if networks:
        keyword = "ip" if family == 4 else "ip6"
        yield f"{keyword} {field} {_set(_collapsed(family, networks))}"


def _collapsed(family: int, networks: Sequence[Network]) -> list[str]:
    # an interval set refuses elements that overlap
    if family == 4:
        four = [n for n in networks if isinstance(n, ipaddress.IPv4Network)]
        return [_prefix(n) for n in ipaddress.collapse_addresses(four)]
    six = [n for n in networks if isinstance(n, ipaddress.IPv6Network)]
    return [_prefix(n) for n in ipaddress.collapse_addresses(six)]


def _steering(enabled: Sequence[Enabled], queues: range) -> list[list[str]]:
    plain = [one for one in enabled if not one[1].outgoing]
    asking = [one for one in enabled if one[1].outgoing]
    forwarded = sorted({name for config, _ in asking for name in config.interfaces})
    sections = _steer_outgoing(asking, queues) if asking else []
    heard = [one for one in asking if one[1].heard]
    sections += _steer_heard(heard, queues) if heard else []
    sections += _steer_plain(plain, queues) if plain else []
    children = _steer_children([one for one in enabled if one[1].children], queues)
    sections += children
    first = ["jump steer-children"] if children else []
    last = ["jump steer"] if plain else []
    leaving = [*first, *(f"{word} jump steer-outgoing" for word in _incoming(forwarded)), *last]
    if leaving:
        # what goes out by lo comes in again and is seen there
        rules = ['oifname "lo" accept', *leaving]
        sections.append(_base("steer-postrouting", "postrouting", 290, rules))
    coming = [*first, *(["jump steer-heard"] if heard else []), *last]
    if coming:
        sections.append(_base("steer-input", "input", 290, coming))
    return sections


def _steer_outgoing(enabled: Sequence[Enabled], queues: range) -> list[list[str]]:
    ports = {("udp", fail): _steered(enabled, "udp", fail) for fail in _FAILS}
    rules = [*_LEFT_ALONE, *_queue_rules(ports, "udp", queues)]
    return [
        _block("chain steer-outgoing", rules),
        _base("steer-output", "output", 290, ['oifname "lo" accept', "jump steer-outgoing"]),
    ]


def _steer_heard(enabled: Sequence[Enabled], queues: range) -> list[list[str]]:
    ports = {("udp", fail): _steered(enabled, "udp", fail) for fail in _FAILS}
    # what this host announces itself comes back to it
    rules = ["fib saddr type local return", *_LEFT_ALONE, *_queue_rules(ports, "udp", queues)]
    return [_block("chain steer-heard", rules)]


def _steer_children(enabled: Sequence[Enabled], queues: range) -> list[list[str]]:
    """Connections that a helper expected and inspects as well: they have inherited it, at whatever port."""
    tcp = _children(enabled, "tcp", queues)
    udp = _children(enabled, "udp", queues)
    rules = [
        f"ct status & {_EXPECTED:#x} != {_EXPECTED:#x} return",
        f"ct label {labels.DONE} return",
    ]
    sections = []
    if tcp:
        rules += [
            f"{_inherited(h)} meta l4proto tcp @ih,0,8 0x0-0xff goto steer-children-tcp"
            for _, h in enabled
            if "tcp" in h.children
        ]
        sections.append(_block("chain steer-children-tcp", [*_SEEN, *tcp]))
    return [*sections, _block("chain steer-children", [*rules, *udp])] if tcp or udp else []


def _children(enabled: Sequence[Enabled], l4: str, queues: range) -> list[str]:
    return [
        f"{_inherited(helper)} meta l4proto {_l4(l4)} counter queue {_FAILS[config.fail]}to {target}"
        for config, helper in enabled
        if l4 in helper.children
        for target in _together(queues)
    ]


def _inherited(helper: Helper) -> str:
    # as a match `ct helper` is the master's (nft_ct.c, nft_ct_get_eval)
    return f'ct helper "{_word(helper.kernel_name)}"'


def _together(queues: range) -> list[str]:
    """All of a client's connections to one queue; each family has a rule of its own."""
    first, count = queues[0], len(queues)
    if count == 1:
        return [str(first)]
    return [f"jhash ct original {k} saddr mod {count} offset {first}" for k in ("ip", "ip6")]


_LEFT_ALONE = (
    f"ct status & {_HAS_HELPER:#x} != {_HAS_HELPER:#x} accept",
    f"ct label {labels.DONE} accept",
)


def _steer_plain(enabled: Sequence[Enabled], queues: range) -> list[list[str]]:
    ports = {(l4, fail): _steered(enabled, l4, fail) for l4 in _L4S for fail in _FAILS}
    together = [one for one in enabled if one[1].together]
    bound = {(l4, fail): _steered(together, l4, fail) for l4 in _L4S for fail in _FAILS}
    rest = {key: ports[key] - bound[key] for key in ports}

    def queue(l4: str) -> list[str]:
        return [
            *_queue_rules(bound, l4, queues, _together(queues)),
            *_queue_rules(rest, l4, queues),
        ]

    rules = [*_LEFT_ALONE, *queue("udp")]
    sections = []
    tcp = _ports({port for fail in _FAILS for port in ports["tcp", fail]})
    if tcp:
        # bytes behind the TCP header: SYN, pure ACK and FIN have none and never leave the kernel
        rules.append(f"{_original('tcp', tcp)} @ih,0,8 0x0-0xff goto steer-tcp")
        sections.append(_block("chain steer-tcp", [*_SEEN, *queue("tcp")]))
    return [*sections, _block("chain steer", rules)]


def _steered(enabled: Sequence[Enabled], l4: str, fail: str) -> set[int]:
    return {p for c, h in enabled if l4 in h.l4s and c.fail == fail for p in c.ports}


# A worker must know whether a segment is its direction's first payload, though no SYN is queued.
# `set` adds a bit: the first payload leaves SEEN alone, each later one SEEN and MORE, and a
# connection without room for labels has neither.
_SEEN = (
    f"ct direction original ct label {labels.ORIG_SEEN} ct label set {labels.ORIG_MORE}",
    f"ct direction original ct label set {labels.ORIG_SEEN}",
    f"ct direction reply ct label {labels.REPLY_SEEN} ct label set {labels.REPLY_MORE}",
    f"ct direction reply ct label set {labels.REPLY_SEEN}",
)


def _queue_rules(
    ports: Mapping[tuple[str, str], set[int]],
    l4: str,
    queues: range,
    targets: Sequence[str] = (),
) -> Iterator[str]:
    # a range (1000-1001) would pick by the packet's addresses, which NAT makes different in each direction:
    # the request would meet one worker, its answer another
    first, count = queues[0], len(queues)
    own = str(first) if count == 1 else f"jhash ct id mod {count} offset {first}"
    for fail, flags in _FAILS.items():
        if ports[l4, fail]:
            match = _original(l4, _ports(ports[l4, fail]))
            yield from (f"{match} counter queue {flags}to {to}" for to in targets or (own,))


def _original(l4: str, ports: Sequence[str]) -> str:
    return f"meta l4proto {_l4(l4)} ct original proto-dst {_set(ports)}"


# words


def _table(name: str, sections: Sequence[Sequence[str]]) -> str:
    body = "\n".join("".join(f"\t{line}\n" for line in section) for section in sections)
    return f"table inet {_word(name)} {{\n{body}}}\n"


def _base(name: str, hook: str, priority: int, rules: Sequence[str]) -> list[str]:
    return _block(
        f"chain {name}", [f"type filter hook {hook} priority {priority}; policy accept;", *rules]
    )


def _block(head: str, lines: Sequence[str]) -> list[str]:
    return [f"{head} {{", *(f"\t{line}" for line in lines), "}"]


def _set(items: Sequence[str]) -> str:
    return items[0] if len(items) == 1 else f"{{ {', '.join(items)} }}"


def _ports(ports: Iterable[int]) -> list[str]:
    return [_number(port, 1, 65535) for port in sorted(ports)]


def _number(value: int, low: int, high: int) -> str:
    if type(value) is not int or not low <= value <= high:
        raise ValueError(f"not a number from {low} to {high}: {value!r}")
    return str(value)


def _prefix(network: Network) -> str:
    # from the packed address: an IPv6 zone (%eth0) would be free text
    address = ipaddress.ip_address(network.network_address.packed)
    whole = network.prefixlen == network.max_prefixlen
    return str(address) if whole else f"{address}/{network.prefixlen}"


def _l4(name: str) -> str:
    if name not in _L4S:
        raise ValueError(f"not a transport: {name!r}")
    return name


def _word(name: str) -> str:
    if name not in (TABLE, PIN_TABLE, CHECK_TABLE) and not _OBJECT.fullmatch(name):
        raise ValueError(f"not a name for nftables: {name!r}")
    return name


def _quoted(name: str) -> str:
    if not _INTERFACE.fullmatch(name):
        raise ValueError(f"not an interface: {name!r}")
    return f'"{name}"'
