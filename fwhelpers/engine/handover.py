"""The state that a stopping worker hands to its successor, beyond the 32 bytes in each conntrack entry.

    half-read messages    the bytes since the last message boundary, to be parsed again
    rewritten bytes       to rewrite retransmissions in the same way
    expectations          the registry: owners, ends, accounts
    memories              the shared memory of each helper's parsers (`Parser.memory`)

Encoded as JSON: the successor may be of another version, and must accept nothing but data from a process that has read
hostile bytes. Flows above the size limit are left out and continue from their conntrack entry.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from fwhelpers.engine import expectation_record
from fwhelpers.engine.flow_state import FlowState, positions
from fwhelpers.engine.registry import NO_ACCOUNT, Account, LiveExpectation
from fwhelpers.engine.rewriting import MAX_PAST, MAX_UNITS, Rewriter, Unit
from fwhelpers.engine.untrusted import (
    conntrack_tuple,
    flag,
    integer,
    items,
    load,
    mapping,
    number,
    octets,
    plain_tuple,
    text,
)
from fwhelpers.kernel.conntrack import SeqAdjustment, Tuple

VERSION = 5
MAX_SIZE = 32 << 20  #: bytes

_U32 = 0xFFFFFFFF
_MAX_SHIFT = 1 << 31

Key = tuple[bytes, int]  #: original tuple as the kernel writes it, conntrack id


@dataclass(frozen=True, slots=True)
class FlowRecord:
    """The state of one flow."""

    key: Key
    helper: str
    orig: Tuple
    reply: Tuple
    zone: int
    base: bytes  #: the private data to start from
    segments: tuple[
        tuple[bool, int, bytes], ...
    ] = ()  #: direction, sequence number, bytes since then
    rewriters: tuple[Rewriter, Rewriter] = field(default_factory=lambda: (Rewriter(), Rewriter()))
    keep_until: float = 0.0
    finished: str = ""
    announcement: bool = False
    account: Account = NO_ACCOUNT
    on_link: bool = False


@dataclass(frozen=True, slots=True)
class MemoryRecord:
    """The shared memory of a helper's parsers."""

    helper: str
    items: tuple[tuple[bytes, bytes], ...]


def encode(
    flows: Iterable[tuple[Key, FlowState]],
    memories: Mapping[str, Mapping[bytes, bytes]] = MappingProxyType({}),
    expectations: Iterable[LiveExpectation] = (),
) -> bytes:
    """Encode the flows that need it, up to MAX_SIZE bytes, and all expectations and memories, which are bounded."""
    lines = [
        json.dumps({"memory": n, "items": [[k.hex(), v.hex()] for k, v in m.items()]}).encode()
        for n, m in memories.items()
        if m
    ]
    lines += [json.dumps(expectation_record.to_plain(live)).encode() for live in expectations]
    size = sum(map(len, lines))
    for key, state in flows:
        record = record_of(key, state)
        if record is None:
            continue
        line = json.dumps(_to_plain(record), separators=(",", ":")).encode()
        size += len(line) + 1
        if size > MAX_SIZE:
            break
        lines.append(line)
    return b"".join(line + b"\n" for line in [b"%d" % VERSION, *lines])


def decode(data: bytes) -> Iterator[FlowRecord | MemoryRecord | LiveExpectation]:
    """Decode the output of `encode`, or nothing. Raises ValueError for malformed data."""
    if not data:
        return
    first, *lines = data.splitlines()
    if first != b"%d" % VERSION:
        raise ValueError(f"version {first[:9]!r}")
    for line in lines:
        try:
            fields = mapping(load(line))
            if "memory" in fields:
                yield _memory_record(fields)
            elif "expectation" in fields:
                yield expectation_record.from_plain(fields)
            else:
                yield _flow_record(fields)
        except KeyError as error:
            raise ValueError(f"no field {error}") from None


def _memory_record(plain: dict[str, Any]) -> MemoryRecord:
    pairs = [items(pair, 2) for pair in items(plain["items"])]
    memory = tuple((octets(key), octets(value)) for key, value in pairs)
    return MemoryRecord(text(plain["memory"]), memory)


def record_of(key: Key, state: FlowState) -> FlowRecord | None:
    """Return a flow's record, None if its conntrack entry suffices."""
    base = state.without_notes() or state.snapshot() or b""
    segments = () if state.finished else _unread(state, base)
    rewritten = any(rewriter.pending or rewriter.past for rewriter in state.rewriters)
    if segments is None:  # the successor can only continue from the conntrack entry
        if not rewritten:
            return None
        base, segments = state.info, ()
    if not (segments or rewritten or state.keep_until or (base and not state.info)):
        return None
    return FlowRecord(
        key, state.helper, state.orig, state.reply, state.zone, base, segments, state.rewriters,
        state.keep_until, state.finished, state.flow.announcement, state.account, state.flow.on_link,
    )  # fmt: skip


def _unread(state: FlowState, base: bytes) -> tuple[tuple[bool, int, bytes], ...] | None:
    segments: list[tuple[bool, int, bytes]] = []
    for which, (half, start) in enumerate(zip(state.halves, positions(base), strict=True)):
        if half is None:
            continue
        parts = half.since(start)
        if parts is None:
            return None
        segments += [(bool(which), seq, data) for seq, data in parts]
    return tuple(segments)


def _to_plain(record: FlowRecord) -> dict[str, Any]:
    return {
        "key": [record.key[0].hex(), record.key[1]],
        "helper": record.helper,
        "orig": plain_tuple(record.orig),
        "reply": plain_tuple(record.reply),
        "zone": record.zone,
        "base": record.base.hex(),
        "segments": [[reply, seq, data.hex()] for reply, seq, data in record.segments],
        "rewriters": [_rewriter_out(rewriter) for rewriter in record.rewriters],
        "keep_until": record.keep_until,
        "finished": record.finished,
        "announcement": record.announcement,
        "on_link": record.on_link,
        "account": expectation_record.plain_account(record.account),
    }


def _flow_record(plain: dict[str, Any]) -> FlowRecord:
    key, conntrack_id = items(plain["key"], 2)
    orig, reply = items(plain["rewriters"], 2)
    return FlowRecord(
        (octets(key), integer(conntrack_id, _U32)),
        text(plain["helper"]),
        conntrack_tuple(plain["orig"]),
        conntrack_tuple(plain["reply"]),
        integer(plain["zone"], 0xFFFF),
        octets(plain["base"]),
        tuple(_segment(*items(segment, 3)) for segment in items(plain["segments"])),
        (_rewriter_in(*items(orig, 6)), _rewriter_in(*items(reply, 6))),
        number(plain["keep_until"]),
        text(plain["finished"]),
        flag(plain["announcement"]),
        expectation_record.account_from(plain["account"]),
        flag(plain.get("on_link", False)),
    )


def _segment(reply: object, seq: object, data: object) -> tuple[bool, int, bytes]:
    return flag(reply), integer(seq, _U32), octets(data)


def _rewriter_out(rewriter: Rewriter) -> list[Any]:
    pending, past = (
        [[u.seq, u.size, u.text.hex()] for u in units]
        for units in (rewriter.pending, rewriter.past)
    )
    return [pending, past, rewriter.adjustment, rewriter.used, rewriter.largest, rewriter.top]


def _rewriter_in(
    pending: object, past: object, adjustment: object, used: object, largest: object, top: object
) -> Rewriter:
    current = None
    if adjustment is not None:
        position, before, after = items(adjustment, 3)
        current = SeqAdjustment(integer(position, _U32), _shift(before), _shift(after))
    return Rewriter(
        _units(pending, MAX_UNITS), _units(past, MAX_PAST), current, number(used),
        integer(largest, 0xFFFF), integer(top, _U32),
    )  # fmt: skip


def _units(plain: object, most: int) -> list[Unit]:
    units = [items(unit, 3) for unit in items(plain)]
    if len(units) > most:
        raise ValueError("too many rewritten units")
    return [
        Unit(integer(seq, _U32), integer(size, 0xFFFF, 1), octets(text))
        for seq, size, text in units
    ]


def _shift(value: object) -> int:
    return integer(value, _MAX_SHIFT, -_MAX_SHIFT)
