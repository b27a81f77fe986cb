"""The state that a stopping worker hands to its successor, beyond the 32 bytes in each conntrack entry.

    half-read messages    the bytes since the last message boundary, to be parsed again
    rewritten spans       to rewrite retransmissions in the same way
    expectations          their flows, and the ends of those that end before their policy's time
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

from fwhelpers.engine.flow_state import FlowState, OwnExpectation, positions
from fwhelpers.engine.mangle import Edit
from fwhelpers.kernel.conntrack import Tuple

VERSION = 3
MAX_SIZE = 32 << 20  #: bytes

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
    made: tuple[tuple[Tuple, OwnExpectation], ...] = ()
    keep_until: float = 0.0
    finished: str = ""
    announcement: bool = False
    quota_key: bytes = b""


@dataclass(frozen=True, slots=True)
class MemoryRecord:
    """The shared memory of a helper's parsers."""

    helper: str
    items: tuple[tuple[bytes, bytes], ...]


def encode(
    flows: Iterable[tuple[Key, FlowState]],
    memories: Mapping[str, Mapping[bytes, bytes]] = MappingProxyType({}),
) -> bytes:
    """Encode the flows that need it, up to MAX_SIZE bytes, and all memories (which are small, see engine.memory)."""
    lines = [
        json.dumps({"memory": n, "items": [[k.hex(), v.hex()] for k, v in m.items()]}).encode()
        for n, m in memories.items()
        if m
    ]
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


def decode(data: bytes) -> Iterator[FlowRecord | MemoryRecord]:
    """Decode the output of `encode`, or nothing. Raises ValueError for malformed data."""
    if not data:
        return
    first, *lines = data.splitlines()
    if first != b"%d" % VERSION:
        raise ValueError(f"version {first[:9]!r}")
    for line in lines:
        try:
            plain = json.loads(line)
            yield _memory_record(plain) if "memory" in plain else _flow_record(plain)
        except (KeyError, TypeError, IndexError) as error:
            raise ValueError(f"{type(error).__name__}: {error}") from None


def _memory_record(plain: dict[str, Any]) -> MemoryRecord:
    items = tuple((bytes.fromhex(key), bytes.fromhex(value)) for key, value in plain["items"])
    return MemoryRecord(str(plain["memory"]), items)


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
    if not (segments or any(edits) or state.made or (base and not state.info)):
        return None
    return FlowRecord(
        key, state.helper, state.orig, state.reply, state.zone, base, segments, edits,
        tuple(state.made.items()), state.keep_until, state.finished, state.flow.announcement,
        state.quota_key,
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
        "orig": _tuple_out(record.orig),
        "reply": _tuple_out(record.reply),
        "zone": record.zone,
        "base": record.base.hex(),
        "segments": [[reply, seq, data.hex()] for reply, seq, data in record.segments],
        "edits": [[[e.start, e.end, e.text.hex()] for e in edits] for edits in record.edits],
        "made": [
            [
                _tuple_out(t),
                m.klass,
                m.at,
                m.expires,
                m.permanent,
                _tuple_out(m.mask),
                _nat_out(m.nat),
            ]
            for t, m in record.made
        ],
        "keep_until": record.keep_until,
        "finished": record.finished,
        "announcement": record.announcement,
        "quota_key": record.quota_key.hex(),
    }


def _flow_record(plain: dict[str, Any]) -> FlowRecord:
    orig, reply = (
        [Edit(int(s), int(e), bytes.fromhex(t)) for s, e, t in d] for d in plain["edits"]
    )
    return FlowRecord(
        (bytes.fromhex(plain["key"][0]), int(plain["key"][1])),
        str(plain["helper"]),
        _tuple_in(plain["orig"]),
        _tuple_in(plain["reply"]),
        int(plain["zone"]),
        bytes.fromhex(plain["base"]),
        tuple((bool(r), int(seq), bytes.fromhex(data)) for r, seq, data in plain["segments"]),
        (tuple(orig), tuple(reply)),
        tuple(_made_in(*fields) for fields in plain["made"]),
        float(plain["keep_until"]),
        str(plain["finished"]),
        bool(plain["announcement"]),
        bytes.fromhex(plain["quota_key"]),
    )


def _made_in(
    expected: list[Any], klass: int, at: float, expires: float, permanent: bool, mask: list[Any],
    nat: list[Any] | None,
) -> tuple[Tuple, OwnExpectation]:  # fmt: skip
    made = OwnExpectation(
        int(klass), float(at), float(expires), 0, bool(permanent), _tuple_in(mask)
    )
    made.nat = _tuple_in(nat) if nat is not None else None
    return _tuple_in(expected), made


def _nat_out(nat: Tuple | None) -> list[Any] | None:
    return _tuple_out(nat) if nat is not None else None


def _tuple_out(value: Tuple) -> list[Any]:
    return [value.src.hex(), value.dst.hex(), *value[2:]]


def _tuple_in(plain: list[Any]) -> Tuple:
    src, dst, l4, sport, dport = plain
    return Tuple(bytes.fromhex(src), bytes.fromhex(dst), int(l4), int(sport), int(dport))
