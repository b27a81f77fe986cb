"""What workers tell: in words, and as keys of expectations."""

from __future__ import annotations

from typing import Any

from fwhelpers.daemon.attribution import Made
from fwhelpers.engine.tracker import Key, key_of
from fwhelpers.kernel.conntrack import Tuple
from fwhelpers.kernel.expect import Expectation


def sentence(note: dict[str, Any]) -> str:
    """A note in words."""
    where = f"{note['helper']}: {note['client']} → {note['server']}"
    what = f" {note['what']}" if note["what"] else ""
    if note["kind"] == "refused":
        return f"{where}: refused{what} {note['endpoint']}: {note['reason']} ({note['rule']})"
    if note["kind"] == "expected":
        return f"{where}: expecting{what} {note['expected']}"
    return f"{where}: {note['kind']}: {note['reason']}"


def encode_made(made: Expectation) -> list[Any]:
    """What tells an expectation from others, for JSON."""
    key = key_of(made)
    return [key.zone, *(_encode(value) for value in (key.expected, key.mask, made.master))]


def decode_made(given: list[Any]) -> Made:
    """The same, back. Raises ValueError and TypeError for anything else."""
    zone, expected, mask, master = given
    return Made(Key(int(zone), _decode(expected), _decode(mask)), _decode(master))


def _encode(value: Tuple) -> list[Any]:
    return [value.src.hex(), value.dst.hex(), *value[2:]]


def _decode(given: list[Any]) -> Tuple:
    src, dst, l4, sport, dport = given
    return Tuple(bytes.fromhex(src), bytes.fromhex(dst), int(l4), int(sport), int(dport))
