"""Builds the nftables text that we load. Pure functions of the configuration.

    prerouting, output  -150   after conntrack, before DNAT: assign helpers to new connections
    postrouting, input   290   after NAT and all filters, before the confirm: queue packets of these connections
    output               290   queue requests to groups and broadcast addresses. Later IPv4 clones the packet for
                               the host itself, and a queue drops clones of unconfirmed connections
                               (ip_mc_output(); nf_ct_drop_unconfirmed() in nfnetlink_queue.c)

The output is text and not JSON, because the JSON of nft 1.0.6 silently drops `flags owner`. Each word is a constant
or comes from a validating function of `syntax`, so no other text can get in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from fwhelpers.api import Helper
from fwhelpers.config import Config
from fwhelpers.kernel import labels
from fwhelpers.ruleset.assign import SYN, Enabled, assignment, incoming
from fwhelpers.ruleset.backend import acting, kernel_objects, user_objects
from fwhelpers.ruleset.syntax import CHECK_TABLE as CHECK_TABLE
from fwhelpers.ruleset.syntax import (
    L4S,
    anonymous_set,
    base_chain,
    chain,
    comment,
    identifier,
    number,
    port_numbers,
    transport,
    whole_table,
)
from fwhelpers.ruleset.syntax import PIN_TABLE as PIN_TABLE
from fwhelpers.ruleset.syntax import TABLE as TABLE

#: enum ip_conntrack_status: IPS_HELPER, IPS_EXPECTED, IPS_CONFIRMED
_HAS_HELPER, _EXPECTED, _CONFIRMED = 0x2000, 1, 8

#: the default seed is random (nft_jhash_init()), so a flow would change its worker with each reload
_SEED = "0x1"
_FAILS = {"closed": "", "open": "flags bypass "}  # closed comes first: it wins if both have a port

_PURPOSES = {
    "steer": "queue packets of connections that have a helper",
    "steer-syn": "TCP: mark connections inspected from their first packet, queue SYNs of clients that announce",
    "steer-tcp": "TCP: mark the first payload of each direction, queue segments with payload",
    "steer-end": "TCP: queue the end of connections that expectations outlive",
    "steer-children-end": "TCP: queue the end of connections that expectations outlive",
    "steer-children": "queue packets of expected connections that have inherited a helper",
    "steer-children-tcp": "TCP: mark the first payload of each direction, queue segments with payload",
    "steer-outgoing": "queue requests to groups and broadcast addresses",
    "steer-announcements": "queue announcements that this host receives as member of a group",
    "steer-output": "requests of this host, before the kernel clones multicast and broadcast packets",
    "steer-postrouting": "packets that leave this host, after NAT and all filters",
    "steer-input": "packets to this host, after NAT and all filters",
}


def build(
    config: Config,
    helpers: Mapping[str, Helper],
    queues: range,
    table: str = TABLE,
    unregistered: bool = False,
) -> str:
    """Return the transaction that loads the steering table for these helpers.

    It replaces an owned table of that name without a gap: a transaction becomes visible as a whole, and chains that it
    adds are empty, and so accept, until then (nf_tables_api.c: nf_tables_commit). `unregistered` omits references to
    helpers in the kernel, for a dry run.
    """
    if not queues or queues.step != 1 or not 0 <= queues[0] <= queues[-1] <= 65535:
        raise ValueError(f"not a range of queues: {queues}")
    enabled = [(config.helpers[n], helper) for n, helper in helpers.items() if n in config.helpers]
    steer = config.daemon.steering == "rules"
    sections = [["flags owner"]]
    if enabled and not unregistered:
        assigned = [(c, acting(c, helper)) for c, helper in enabled]
        sections += [*_objects(enabled), *assignment(assigned, config.scope, steer)]
    inspected = [(config.inspected[n], h) for n, h in helpers.items() if n in config.inspected]
    if inspected and steer:
        sections += _steering(inspected, queues)
    return teardown(table) + whole_table(table, sections)


def teardown(table: str = TABLE) -> str:
    """Return the transaction that deletes our steering table if it exists."""
    return whole_table(table, [["flags owner"]]) + f"delete table inet {identifier(table)}\n"


def pin_table(helpers: Iterable[Helper]) -> str:
    """Return a table without owner that refers to each helper. Loading it again adds new helpers."""
    return whole_table(PIN_TABLE, [section for h in helpers for section in user_objects(h)])


def unpin() -> str:
    """Return the transaction that deletes the pins if they exist."""
    return whole_table(PIN_TABLE, []) + f"delete table inet {PIN_TABLE}\n"


def _objects(enabled: Iterable[Enabled]) -> Iterator[list[str]]:
    for config, helper in enabled:
        yield from user_objects(helper) if config.backend == "user" else kernel_objects(helper)


def _steering(enabled: Sequence[Enabled], queues: range) -> list[list[str]]:
    plain = [(c, h) for c, h in enabled if not h.outgoing]
    outgoing = [(c, h) for c, h in enabled if h.outgoing]
    announced = [(c, h) for c, h in outgoing if h.listen_for]
    children = _steer_children([(c, h) for c, h in enabled if h.children], queues)
    sections = _steer_outgoing(outgoing, queues) if outgoing else []
    sections += _steer_announcements(announced, queues) if announced else []
    sections += _steer_plain(plain, queues) if plain else []
    sections += children
    first = ["jump steer-children"] if children else []
    last = ["jump steer"] if plain else []
    forwarded = incoming(sorted({name for config, _ in outgoing for name in config.interfaces}))
    leaving = [*first, *(f"{match} jump steer-outgoing" for match in forwarded), *last]
    if leaving:
        # packets on lo arrive again, and are queued at input
        sections.append(_hooked("postrouting", ['oifname "lo" accept', *leaving]))
    arriving = [*first, *(["jump steer-announcements"] if announced else []), *last]
    if arriving:
        sections.append(_hooked("input", arriving))
    return sections


def _steer_outgoing(enabled: Sequence[Enabled], queues: range) -> list[list[str]]:
    ports = {("udp", fail): _steered(enabled, "udp", fail) for fail in _FAILS}
    rules = [*_NOT_INSPECTED, *_queue_rules(ports, "udp", _by_address(queues, "saddr"), "requests")]
    return [
        _chain("steer-outgoing", rules),
        _hooked("output", ['oifname "lo" accept', "jump steer-outgoing"]),
    ]


def _steer_announcements(enabled: Sequence[Enabled], queues: range) -> list[list[str]]:
    ports = {("udp", fail): _steered(enabled, "udp", fail) for fail in _FAILS}
    # the kernel loops this host's own announcements back
    rules = ["fib saddr type local return", *_NOT_INSPECTED]
    rules += _queue_rules(ports, "udp", _by_address(queues, "daddr"), "announcements")
    return [_chain("steer-announcements", rules)]


def _chain(name: str, rules: Sequence[str]) -> list[str]:
    return chain(name, _PURPOSES[name], rules)


def _hooked(hook: str, rules: Sequence[str]) -> list[str]:
    name = f"steer-{hook}"
    return base_chain(name, hook, 290, _PURPOSES[name], rules)


def _steer_children(enabled: Sequence[Enabled], queues: range) -> list[list[str]]:
    """Return the chains for expected connections that are inspected. Their helper is inherited, their port any."""
    tcp = _children(enabled, "tcp", queues)
    udp = _children(enabled, "udp", queues)
    with_tcp = [f"{_inherited(h)} meta l4proto tcp" for _, h in enabled if "tcp" in h.children]
    rules = [
        f"ct status & {_EXPECTED:#x} != {_EXPECTED:#x} return",
        *(f"{match} {_ENDS} goto steer-children-end" for match in with_tcp),
        f"ct label {labels.DONE} return",
    ]
    sections = []
    if tcp:
        sections.append(_chain("steer-children-end", [*_MARK_LAST_PAYLOAD, *tcp]))
        for matches, verdict in (
            (_BEGINS, f"ct label set {labels.BEGAN}"),
            (_PAYLOAD, "goto steer-children-tcp"),
        ):
            rules += [f"{match} {matches} {verdict}" for match in with_tcp]
        sections.append(_chain("steer-children-tcp", [*_MARK_PAYLOAD, *tcp]))
    return [*sections, _chain("steer-children", [*rules, *udp])] if tcp or udp else []


def _children(enabled: Sequence[Enabled], l4: str, queues: range) -> list[str]:
    return [
        f"{_child(helper, l4)} counter queue {_FAILS[config.fail]}to {target}"
        f" {comment(f'fwhelpers: inspect {identifier(helper.name)} children')}"
        for config, helper in enabled
        if l4 in helper.children
        # the address of the master's client, to which answers to a request go
        for target in _by_address(queues, "daddr" if helper.outgoing and l4 == "udp" else "saddr")
    ]


def _child(helper: Helper, l4: str) -> str:
    """Return the match of a helper's children of one transport.

    Media of a call have inherited the helper as well. Their first packet must not wait in a queue: it uses up the
    expectation, and the packet after it would begin a connection that nobody expects.
    """
    match = f"{_inherited(helper)} meta l4proto {transport(l4)}"
    if l4 != "udp" or helper.outgoing:
        return match
    lowest, highest = helper.udp_children
    return f"{match} @ih,0,8 {number(lowest, 0, 255)}-{number(highest, 0, 255)}"


def _inherited(helper: Helper) -> str:
    # the match `ct helper` compares the master's helper (nft_ct.c, nft_ct_get_eval)
    return f'ct helper "{identifier(helper.kernel_name)}"'


def _by_address(queues: range, end: str) -> list[str]:
    """Return targets that send all connections of a client to the same worker (decision 0064).

    `end` is the client's address: "saddr" or "daddr". Each family needs its own rule. With a range of queues
    (1000-1001) the kernel would hash the packet's addresses. NAT changes these by direction, so requests and replies
    would go to different workers.
    """
    first, count = queues[0], len(queues)
    if count == 1:
        return [str(first)]
    return [
        f"jhash ct original {family} {end} mod {count} seed {_SEED} offset {first}"
        for family in ("ip", "ip6")
    ]


_NO_HELPER = f"ct status & {_HAS_HELPER:#x} != {_HAS_HELPER:#x} accept"
_FINISHED = f"ct label {labels.DONE} accept"
_NOT_INSPECTED = (_NO_HELPER, _FINISHED)


def _steer_plain(enabled: Sequence[Enabled], queues: range) -> list[list[str]]:
    ports = {(l4, fail): _steered(enabled, l4, fail) for l4 in L4S for fail in _FAILS}
    targets = _by_address(queues, "saddr")
    tcp = port_numbers({port for fail in _FAILS for port in ports["tcp", fail]})
    rules = [_NO_HELPER]
    if tcp:
        rules.append(f"{_original('tcp', tcp)} {_ENDS} goto steer-end")
    rules += [_FINISHED, *_queue_rules(ports, "udp", targets, "control connections")]
    sections = []
    if tcp:
        rules += [
            f"{_original('tcp', tcp)} {_BEGINS} goto steer-syn",
            f"{_original('tcp', tcp)} {_PAYLOAD} goto steer-tcp",
        ]
        announcing = [(c, h) for c, h in enabled if h.client_announces]
        syns = {("tcp", fail): _steered(announcing, "tcp", fail) for fail in _FAILS}
        syn = [f"ct label set {labels.BEGAN}", *_queue_rules(syns, "tcp", targets, "first SYN")]
        payload = [*_MARK_PAYLOAD, *_queue_rules(ports, "tcp", targets, "control connections")]
        end = [*_MARK_LAST_PAYLOAD, *_queue_rules(ports, "tcp", targets, "ends of connections")]
        sections += [_chain("steer-syn", syn), _chain("steer-end", end)]
        sections.append(_chain("steer-tcp", payload))
    return [*sections, _chain("steer", rules)]


def _steered(enabled: Sequence[Enabled], l4: str, fail: str) -> set[int]:
    return {p for c, h in enabled if l4 in h.l4s and c.fail == fail for p in c.ports}


# a SYN begins a connection only as its first packet, which is not confirmed yet
_BEGINS = f"ct status & {_CONFIRMED:#x} != {_CONFIRMED:#x} {SYN}"
# bytes after the TCP header. A pure ACK or FIN has none and is not queued. No stack sends a SYN with
# payload within a connection
_PAYLOAD = "tcp flags & syn == 0x0 @ih,0,8 0x0-0xff"

# also of a finished flow: the entry of a connection that has ended takes its expectations along (decision 0012)
_ENDS = f"ct label {labels.OUTLIVED} tcp flags & (fin | rst) != 0x0"

# These labels show a worker whether a segment is the first payload of its direction, although most SYNs are not
# queued. `set` adds a bit: the first payload sets SEEN, each later one SEEN and MORE. A connection without room for
# labels has neither.
_MARK_PAYLOAD = (
    f"ct direction original ct label {labels.ORIG_SEEN} ct label set {labels.ORIG_MORE}",
    f"ct direction original ct label set {labels.ORIG_SEEN}",
    f"ct direction reply ct label {labels.REPLY_SEEN} ct label set {labels.REPLY_MORE}",
    f"ct direction reply ct label set {labels.REPLY_SEEN}",
)
_MARK_LAST_PAYLOAD = tuple(f"@ih,0,8 0x0-0xff {rule}" for rule in _MARK_PAYLOAD)


def _queue_rules(
    ports: Mapping[tuple[str, str], set[int]], l4: str, targets: Sequence[str], traffic: str
) -> Iterator[str]:
    text = comment(f"fwhelpers: inspect {traffic}")
    for fail, flags in _FAILS.items():
        if ports[l4, fail]:
            match = _original(l4, port_numbers(ports[l4, fail]))
            yield from (f"{match} counter queue {flags}to {to} {text}" for to in targets)


def _original(l4: str, ports: Sequence[str]) -> str:
    return f"meta l4proto {transport(l4)} ct original proto-dst {anonymous_set(ports)}"
