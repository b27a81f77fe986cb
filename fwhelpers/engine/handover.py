"""What a worker that ends in order leaves to its successor, beyond the 32 bytes in the conntrack entry.

    half-read messages    the bytes since the last boundary, to be parsed again
    rewritten spans       for a peer that retransmits what it sent before
    expectations          which flow made them, and when those must go that end before their policy's time

    memories              what a helper's flows tell each other (`Parser.memory`)

As JSON: the successor may be of another version, and must not trust a process that read hostile bytes with more than
data. What does not fit is left out; such a flow goes on with what the conntrack entry has.
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

VERSION = 2
MAX_SIZE = 32 << 20  #: bytes; what is more is left out

Key = tuple[bytes, int]  #: original tuple as the kernel writes it, conntrack id


@dataclass(frozen=True, slots=True)
class Left:
    """One flow's part."""

    key: Key
    helper: str
    orig: Tuple
    reply: Tuple
    zone: int
    base: bytes  #: the private data to begin with
    segments: tuple[
        tuple[bool, int, bytes], ...
    ] = ()  #: direction, sequence number, bytes since then
    edits: tuple[tuple[Edit, ...], tuple[Edit, ...]] = ((), ())  #: offsets count from the base
    made: tuple[tuple[Tuple, OwnExpectation], ...] = ()
    keep_until: float = 0.0
    finished: str = ""
    heard: bool = False
    charged: bytes = b""


@dataclass(frozen=True, slots=True)
class Remembered:
    """A helper's memory."""

    helper: str
    items: tuple[tuple[bytes, bytes], ...]


def encode(
    flows: Iterable[tuple[Key, FlowState]],
    memories: Mapping[str, Mapping[bytes, bytes]] = MappingProxyType({}),
) -> bytes:
    """All that is worth it, of at most MAX_SIZE bytes (memories are small: engine.memory)."""
    lines = [
        json.dumps({"memory": n, "items": [[k.hex(), v.hex()] for k, v in m.items()]}).encode()
        for n, m in memories.items()
        if m
    ]
    size = sum(map(len, lines))
    for key, state in flows:
        left = leave(key, state)
        if left is None:
            continue
        line = json.dumps(_plain(left), separators=(",", ":")).encode()
        size += len(line) + 1
        if size > MAX_SIZE:
            break
        lines.append(line)
    return b"".join(line + b"\n" for line in [b"%d" % VERSION, *lines])


def decode(data: bytes) -> Iterator[Left | Remembered]:
    """The same, back; nothing left is nothing. Raises ValueError for anything that is not ours."""
    if not data:
        return
    first, *lines = data.splitlines()
    if first != b"%d" % VERSION:
        raise ValueError(f"version {first[:9]!r}")
    for line in lines:
        try:
            given = json.loads(line)
            yield _remembered(given) if "memory" in given else _left(given)
        except (KeyError, TypeError, IndexError) as error:
            raise ValueError(f"{type(error).__name__}: {error}") from None


def _remembered(given: dict[str, Any]) -> Remembered:
    items = tuple((bytes.fromhex(key), bytes.fromhex(value)) for key, value in given["items"])
    return Remembered(str(given["memory"]), items)


def leave(key: Key, state: FlowState) -> Left | None:
    """A flow's part; None where the conntrack entry says all that there is to say."""
    base = state.info or state.snapshot() or b""
    if state.finished:
        segments, edits = (), ((), ())
    else:
        found = _unread(state, base)
        if found is None:
            return None
        segments, edits = found
    if not (segments or any(edits) or state.made or (base and not state.info)):
        return None
    return Left(
        key, state.helper, state.orig, state.reply, state.zone, base, segments, edits,
        tuple(state.made.items()), state.keep_until, state.finished, state.flow.announcement, state.charged,
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


def _plain(left: Left) -> dict[str, Any]:
    return {
        "key": [left.key[0].hex(), left.key[1]],
        "helper": left.helper,
        "orig": _tuple_out(left.orig),
        "reply": _tuple_out(left.reply),
        "zone": left.zone,
        "base": left.base.hex(),
        "segments": [[reply, seq, data.hex()] for reply, seq, data in left.segments],
        "edits": [[[e.start, e.end, e.text.hex()] for e in edits] for edits in left.edits],
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
            for t, m in left.made
        ],
        "keep_until": left.keep_until,
        "finished": left.finished,
        "heard": left.heard,
        "charged": left.charged.hex(),
    }


def _left(given: dict[str, Any]) -> Left:
    orig, reply = (
        [Edit(int(s), int(e), bytes.fromhex(t)) for s, e, t in d] for d in given["edits"]
    )
    return Left(
        (bytes.fromhex(given["key"][0]), int(given["key"][1])),
        str(given["helper"]),
        _tuple_in(given["orig"]),
        _tuple_in(given["reply"]),
        int(given["zone"]),
        bytes.fromhex(given["base"]),
        tuple((bool(r), int(seq), bytes.fromhex(data)) for r, seq, data in given["segments"]),
        (tuple(orig), tuple(reply)),
        tuple(_made_in(*one) for one in given["made"]),
        float(given["keep_until"]),
        str(given["finished"]),
        bool(given["heard"]),
        bytes.fromhex(given["charged"]),
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


def _tuple_in(given: list[Any]) -> Tuple:
    src, dst, l4, sport, dport = given
    return Tuple(bytes.fromhex(src), bytes.fromhex(dst), int(l4), int(sport), int(dport))
