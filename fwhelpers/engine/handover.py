"""The state that a stopping worker hands to its successor, beyond the 32 bytes in each conntrack entry.

    half-read messages    the bytes since the last message boundary, to be parsed again
    rewritten spans       to rewrite retransmissions in the same way
    expectations          the registry: owners, ends, accounts
    memories              the shared memory of each helper's parsers (`Parser.memory`)

Encoded as JSON: the successor may be of another version, and must accept nothing but data from a process that has read
hostile bytes. Flows above the size limit are left out and continue from their conntrack entry.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from fwhelpers.engine import expectation_record
from fwhelpers.engine.flow_state import FlowState, positions
from fwhelpers.engine.mangle import Edit
from fwhelpers.engine.registry import NO_ACCOUNT, Account, LiveExpectation
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
from fwhelpers.kernel.conntrack import Tuple

VERSION = 4
MAX_SIZE = 32 << 20  #: bytes

_U32 = 0xFFFFFFFF
_MAX_OFFSET = 1 << 40

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
    edits: tuple[tuple[Edit, ...], tuple[Edit, ...]] = ((), ())  #: offsets count from the base
    keep_until: float = 0.0
    finished: str = ""
    announcement: bool = False
    account: Account = NO_ACCOUNT


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
    base = state.info or state.snapshot() or b""
    if state.finished:
        segments, edits = (), ((), ())
    else:
        unread = _unread(state, base)
        if unread is None:
            return None
        segments, edits = unread
    if not (segments or any(edits) or state.keep_until or (base and not state.info)):
        return None
    return FlowRecord(
        key, state.helper, state.orig, state.reply, state.zone, base, segments, edits,
        state.keep_until, state.finished, state.flow.announcement, state.account,
    )  # fmt: skip


def _unread(state: FlowState, base: bytes) -> Any:
    segments: list[tuple[bool, int, bytes]] = []
    edits: list[tuple[Edit, ...]] = []
    for which, (half, start) in enumerate(zip(state.halves, positions(base), strict=True)):
        if half is None:
            edits.append(())
            continue
        since = half.since(start)
        if since is None:
            return None
        offset, parts = since
        segments += [(bool(which), seq, data) for seq, data in parts]
        edits.append(
            tuple(Edit(e.start - offset, e.end - offset, e.text) for e in state.edits[which])
        )
    return tuple(segments), tuple(edits)


def _to_plain(record: FlowRecord) -> dict[str, Any]:
    return {
        "key": [record.key[0].hex(), record.key[1]],
        "helper": record.helper,
        "orig": plain_tuple(record.orig),
        "reply": plain_tuple(record.reply),
        "zone": record.zone,
        "base": record.base.hex(),
        "segments": [[reply, seq, data.hex()] for reply, seq, data in record.segments],
        "edits": [[[e.start, e.end, e.text.hex()] for e in edits] for edits in record.edits],
        "keep_until": record.keep_until,
        "finished": record.finished,
        "announcement": record.announcement,
        "account": expectation_record.plain_account(record.account),
    }


def _flow_record(plain: dict[str, Any]) -> FlowRecord:
    key, conntrack_id = items(plain["key"], 2)
    orig, reply = items(plain["edits"], 2)
    return FlowRecord(
        (octets(key), integer(conntrack_id, _U32)),
        text(plain["helper"]),
        conntrack_tuple(plain["orig"]),
        conntrack_tuple(plain["reply"]),
        integer(plain["zone"], 0xFFFF),
        octets(plain["base"]),
        tuple(_segment(*items(segment, 3)) for segment in items(plain["segments"])),
        (_edits(orig), _edits(reply)),
        number(plain["keep_until"]),
        text(plain["finished"]),
        flag(plain["announcement"]),
        expectation_record.account_from(plain["account"]),
    )


def _segment(reply: object, seq: object, data: object) -> tuple[bool, int, bytes]:
    return flag(reply), integer(seq, _U32), octets(data)


def _edits(plain: object) -> tuple[Edit, ...]:
    edits = tuple(
        Edit(_offset(start), _offset(end), octets(replacement))
        for start, end, replacement in (items(edit, 3) for edit in items(plain))
    )
    if any(edit.end < edit.start for edit in edits):
        raise ValueError("an edit that ends before it starts")
    return edits


def _offset(value: object) -> int:
    # bytes that were rewritten before the stored position have negative offsets
    return integer(value, _MAX_OFFSET, -_MAX_OFFSET)
