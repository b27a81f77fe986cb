"""What workers tell: as messages, in words, and as keys of expectations."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from fwhelpers.engine.expectation_key import ExpectationId, ExpectationKey, key_of
from fwhelpers.kernel.conntrack import Tuple
from fwhelpers.kernel.expect import Expectation

_TEXTS = (
    "kind",
    "helper",
    "client",
    "server",
    "l4",
    "reason",
    "rule",
    "what",
    "endpoint",
    "expected",
)
_MOST = 1000  #: characters of a text


def read(data: bytes) -> dict[str, Any] | None:
    """A worker's message; None if it makes no sense.

    A worker that was taken over says what it likes: it must not bring the manager down, or forge lines of its log.
    """
    try:
        return {key: _READ[key](value) for key, value in json.loads(data).items()}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def _text(given: Any) -> str:
    if not isinstance(given, str):
        raise TypeError("no text")
    return (given if given.isprintable() else ascii(given)[1:-1])[:_MOST]


def _number(given: Any) -> int:
    if not isinstance(given, int) or not 0 <= given < 1 << 63:
        raise ValueError("no number")
    return given


def _texts(given: Any) -> list[str]:
    return [_text(one) for one in given]


def _counts(given: Any) -> dict[str, dict[str, int]]:
    return {
        _text(helper): {_text(kind): _number(count) for kind, count in counts.items()}
        for helper, counts in given.items()
    }


def _note(given: Any) -> dict[str, Any]:
    note: dict[str, Any] = {name: _text(given[name]) for name in _TEXTS}
    if given["made"] is not None:
        decode_made(given["made"])
    numbers = {name: _number(given[name]) for name in ("interface", "timeout")}
    return note | numbers | {"made": given["made"]}


_READ: dict[str, Callable[[Any], Any]] = {
    "ready": _number, "counts": _counts, "note": _note, "untold": _number, "problem": _text,
    "lacking": _texts,
}  # fmt: skip


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


def decode_made(given: list[Any]) -> ExpectationId:
    """The same, back. Raises ValueError and TypeError for anything else."""
    zone, expected, mask, master = given
    return ExpectationId(
        ExpectationKey(int(zone), _decode(expected), _decode(mask)), _decode(master)
    )


def _encode(value: Tuple) -> list[Any]:
    return [value.src.hex(), value.dst.hex(), *value[2:]]


def _decode(given: list[Any]) -> Tuple:
    src, dst, l4, sport, dport = given
    return Tuple(bytes.fromhex(src), bytes.fromhex(dst), int(l4), int(sport), int(dport))
