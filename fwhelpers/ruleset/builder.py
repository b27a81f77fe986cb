"""The nftables text that we load: pure functions of the configuration.

    prerouting, output  -150   after conntrack, before DNAT: give new connections their helper
    postrouting, input   290   after NAT and all filters, before the confirm: queue what matters
    output               290   the same for requests to groups and broadcast addresses: behind it IPv4 clones the
                               packet for the host itself, and a queue drops clones of unconfirmed connections
                               (ip_mc_output(); nf_ct_drop_unconfirmed() in nfnetlink_queue.c)

Text, not JSON: the JSON of nft 1.0.6 silently drops `flags owner`. Every word comes from here or
through one of the checks in words.py; nothing else can get in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from fwhelpers.api import Helper
from fwhelpers.config import Config
from fwhelpers.kernel import labels
from fwhelpers.ruleset.assign import SYN, Enabled, assignment, incoming, object_name
from fwhelpers.ruleset.syntax import CHECK_TABLE as CHECK_TABLE
from fwhelpers.ruleset.syntax import (
    L4S,
    anonymous_set,
    base_chain,
    block,
    identifier,
    port_numbers,
    transport,
    whole_table,
)
from fwhelpers.ruleset.syntax import PIN_TABLE as PIN_TABLE
from fwhelpers.ruleset.syntax import TABLE as TABLE

#: enum ip_conntrack_status: IPS_HELPER, IPS_EXPECTED, IPS_CONFIRMED
_HAS_HELPER, _EXPECTED, _CONFIRMED = 0x2000, 1, 8

#: without one each ruleset has another (nft_jhash_init()), and a flow changes its worker with each reload
_SEED = "0x1"
_FAILS = {"closed": "", "open": "flags bypass "}  # closed first: it wins where both name a port


def build(
    config: Config,
    helpers: Mapping[str, Helper],
    queues: range,
    table: str = TABLE,
    unregistered: bool = False,
) -> str:
    """The steering table for these of the helpers that are to be inspected, as one transaction.

    It replaces an owned table of that name without a gap: a transaction becomes visible as a whole,
    and chains that it adds are empty, so accept, until then (nf_tables_api.c: nf_tables_commit).
    `unregistered` leaves out what refers to helpers in the kernel, for a dry run.
    """
    if not queues or queues.step != 1 or not 0 <= queues[0] <= queues[-1] <= 65535:
        raise ValueError(f"no range of queues: {queues}")
    enabled = [(config.helpers[n], helper) for n, helper in helpers.items() if n in config.helpers]
    steer = config.daemon.steering == "rules"
    sections = [["flags owner"]]
    if enabled and not unregistered:
        sections += [*_objects(h for _, h in enabled), *assignment(enabled, config.scope, steer)]
    if helpers and steer:
        inspected = config.inspected
        sections += _steering([(inspected[n], helper) for n, helper in helpers.items()], queues)
    return teardown(table) + whole_table(table, sections)


def teardown(table: str = TABLE) -> str:
    """Delete our steering table, whether or not it is there."""
    return whole_table(table, [["flags owner"]]) + f"delete table inet {identifier(table)}\n"


def pin_table(helpers: Iterable[Helper]) -> str:
    """A table without owner that refers to each helper; added again it takes what is new."""
    return whole_table(PIN_TABLE, list(_objects(helpers)))


def unpin() -> str:
    """Delete the pins, whether or not they are there."""
    return whole_table(PIN_TABLE, []) + f"delete table inet {PIN_TABLE}\n"


def _objects(helpers: Iterable[Helper]) -> Iterator[list[str]]:
    for helper in helpers:
        for l4 in helper.registered:
            kind = f'type "{identifier(helper.kernel_name)}" protocol {transport(l4)}'
            yield block(f"ct helper {object_name(helper, l4)}", [kind])


def _steering(enabled: Sequence[Enabled], queues: range) -> list[list[str]]:
    plain = [one for one in enabled if not one[1].outgoing]
    asking = [one for one in enabled if one[1].outgoing]
    forwarded = sorted({name for config, _ in asking for name in config.interfaces})
    sections = _steer_outgoing(asking, queues) if asking else []
    heard = [one for one in asking if one[1].listen_for]
    sections += _steer_heard(heard, queues) if heard else []
    sections += _steer_plain(plain, queues) if plain else []
    children = _steer_children([one for one in enabled if one[1].children], queues)
    sections += children
    first = ["jump steer-children"] if children else []
    last = ["jump steer"] if plain else []
    leaving = [*first, *(f"{match} jump steer-outgoing" for match in incoming(forwarded)), *last]
    if leaving:
        # what goes out by lo comes in again and is seen there
        rules = ['oifname "lo" accept', *leaving]
        sections.append(base_chain("steer-postrouting", "postrouting", 290, rules))
    coming = [*first, *(["jump steer-heard"] if heard else []), *last]
    if coming:
        sections.append(base_chain("steer-input", "input", 290, coming))
    return sections


def _steer_outgoing(enabled: Sequence[Enabled], queues: range) -> list[list[str]]:
    ports = {("udp", fail): _steered(enabled, "udp", fail) for fail in _FAILS}
    rules = [*_LEFT_ALONE, *_queue_rules(ports, "udp", _by_address(queues, "saddr"))]
    return [
        block("chain steer-outgoing", rules),
        base_chain("steer-output", "output", 290, ['oifname "lo" accept', "jump steer-outgoing"]),
    ]


def _steer_heard(enabled: Sequence[Enabled], queues: range) -> list[list[str]]:
    ports = {("udp", fail): _steered(enabled, "udp", fail) for fail in _FAILS}
    # what this host announces itself comes back to it
    rules = ["fib saddr type local return", *_LEFT_ALONE]
    rules += _queue_rules(ports, "udp", _by_address(queues, "daddr"))
    return [block("chain steer-heard", rules)]


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
        for matches, verdict in (
            (_BEGINS, f"ct label set {labels.BEGAN}"),
            (_PAYLOAD, "goto steer-children-tcp"),
        ):
            rules += [
                f"{_inherited(h)} meta l4proto tcp {matches} {verdict}"
                for _, h in enabled
                if "tcp" in h.children
            ]
        sections.append(block("chain steer-children-tcp", [*_SEEN, *tcp]))
    return [*sections, block("chain steer-children", [*rules, *udp])] if tcp or udp else []


def _children(enabled: Sequence[Enabled], l4: str, queues: range) -> list[str]:
    return [
        f"{_inherited(helper)} meta l4proto {transport(l4)} counter queue {_FAILS[config.fail]}to {target}"
        for config, helper in enabled
        if l4 in helper.children
        for target in _by_address(queues, _asker(helper, l4))
    ]


def _asker(helper: Helper, l4: str) -> str:
    """The end of an expected connection that the expectation counts on: answers to a request come to it."""
    return "daddr" if helper.outgoing and l4 == "udp" else "saddr"


def _inherited(helper: Helper) -> str:
    # as a match `ct helper` is the master's (nft_ct.c, nft_ct_get_eval)
    return f'ct helper "{identifier(helper.kernel_name)}"'


def _by_address(queues: range, end: str) -> list[str]:
    """Targets that send all connections on whose address an expectation counts to one worker (decision 0064).

    Each family needs a rule of its own. A range of queues (1000-1001) would be chosen by the packet's addresses, which
    NAT makes different in each direction: the request would meet one worker, its answer another.
    """
    first, count = queues[0], len(queues)
    if count == 1:
        return [str(first)]
    return [
        f"jhash ct original {family} {end} mod {count} seed {_SEED} offset {first}"
        for family in ("ip", "ip6")
    ]


_LEFT_ALONE = (
    f"ct status & {_HAS_HELPER:#x} != {_HAS_HELPER:#x} accept",
    f"ct label {labels.DONE} accept",
)


def _steer_plain(enabled: Sequence[Enabled], queues: range) -> list[list[str]]:
    ports = {(l4, fail): _steered(enabled, l4, fail) for l4 in L4S for fail in _FAILS}
    targets = _by_address(queues, "saddr")
    rules = [*_LEFT_ALONE, *_queue_rules(ports, "udp", targets)]
    sections = []
    tcp = port_numbers({port for fail in _FAILS for port in ports["tcp", fail]})
    if tcp:
        rules += [
            f"{_original('tcp', tcp)} {_BEGINS} goto steer-syn",
            f"{_original('tcp', tcp)} {_PAYLOAD} goto steer-tcp",
        ]
        announcing = [one for one in enabled if one[1].client_announces]
        syns = {("tcp", fail): _steered(announcing, "tcp", fail) for fail in _FAILS}
        syn = [f"ct label set {labels.BEGAN}", *_queue_rules(syns, "tcp", targets)]
        sections.append(block("chain steer-syn", syn))
        sections.append(block("chain steer-tcp", [*_SEEN, *_queue_rules(ports, "tcp", targets)]))
    return [*sections, block("chain steer", rules)]


def _steered(enabled: Sequence[Enabled], l4: str, fail: str) -> set[int]:
    return {p for c, h in enabled if l4 in h.l4s and c.fail == fail for p in c.ports}


# a SYN is the beginning of a connection as its first packet only, which is not confirmed yet
_BEGINS = f"ct status & {_CONFIRMED:#x} != {_CONFIRMED:#x} {SYN}"
# bytes behind the TCP header: pure ACK and FIN have none and never leave the kernel. No stack sends
# a SYN with payload within a connection
_PAYLOAD = "tcp flags & syn == 0x0 @ih,0,8 0x0-0xff"

# A worker must know whether a segment is its direction's first payload, though most SYNs are not queued.
# `set` adds a bit: the first payload leaves SEEN alone, each later one SEEN and MORE, and a
# connection without room for labels has neither.
_SEEN = (
    f"ct direction original ct label {labels.ORIG_SEEN} ct label set {labels.ORIG_MORE}",
    f"ct direction original ct label set {labels.ORIG_SEEN}",
    f"ct direction reply ct label {labels.REPLY_SEEN} ct label set {labels.REPLY_MORE}",
    f"ct direction reply ct label set {labels.REPLY_SEEN}",
)


def _queue_rules(
    ports: Mapping[tuple[str, str], set[int]], l4: str, targets: Sequence[str]
) -> Iterator[str]:
    for fail, flags in _FAILS.items():
        if ports[l4, fail]:
            match = _original(l4, port_numbers(ports[l4, fail]))
            yield from (f"{match} counter queue {flags}to {to}" for to in targets)


def _original(l4: str, ports: Sequence[str]) -> str:
    return f"meta l4proto {transport(l4)} ct original proto-dst {anonymous_set(ports)}"
