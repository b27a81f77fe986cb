"""Checks the types of what a parser yields. A wrong one would otherwise fail later, in the worker's report.

The annotations of the event classes are not enforced, and a parser reads bytes: `trigger=match[1]` is easily written.
"""

from __future__ import annotations

from operator import attrgetter

from fwhelpers.api.events import (
    Cancel,
    Done,
    Drop,
    Endpoint,
    Expect,
    Keep,
    Refuse,
    Resize,
    Rewrite,
    Used,
)

_OPTIONAL_INT = (int, type(None))
_OPTIONAL_END = (Endpoint, type(None))

#: fields with their types, for each event
_FIELDS: dict[type, tuple[tuple[str, type | tuple[type, ...]], ...]] = {
    Expect: (
        ("client", Endpoint),
        ("server", Endpoint),
        ("l4", str),
        ("policy", str),
        ("count", int),
        ("sport", _OPTIONAL_INT),
        ("sport_mask", int),
        ("trigger", str),
        ("timeout", _OPTIONAL_INT),
        ("sources", str),
    ),
    Rewrite: (("endpoint", Endpoint),),
    Resize: (),
    Refuse: (("rule", str), ("reason", str), ("endpoint", _OPTIONAL_END)),
    Used: (("policy", str),),
    Cancel: (("policy", str), ("want", (Expect, type(None)))),
    Drop: (("reason", str),),
    Keep: (("seconds", int),),
    Done: (("reason", str),),
}

#: what has the types that are looked up in _USUAL
_looked_up = attrgetter(
    "client.addr", "client.port", "server.addr", "server.port", "l4", "policy", "count", "sport", "sport_mask",
    "trigger", "timeout", "sources",
)  # fmt: skip
#: the types of an announcement, with a source port or not, and with a lifetime or not
_USUAL = {
    (bytes, int, bytes, int, str, str, int, sport, int, str, timeout, str)
    for sport in _OPTIONAL_INT
    for timeout in _OPTIONAL_INT
}


def check_event(event: object) -> None:
    """Raise TypeError with a sentence unless it is an event whose fields have the types of the API."""
    if type(event) is Expect and _are_usual(event):
        return
    fields = _FIELDS.get(type(event))
    if fields is None:
        raise TypeError(_no_event(event))
    for name, types in fields:
        value = getattr(event, name)
        if not isinstance(value, types):
            raise TypeError(f"{type(event).__name__}.{name} must be {_words(types)}, not {value!r}")
        if isinstance(value, Endpoint) and not (
            isinstance(value.addr, bytes) and isinstance(value.port, int)
        ):
            raise TypeError(
                f"{type(event).__name__}.{name} must have a packed address and a port number,"
                f" not {tuple(value)!r} (Endpoint.parse reads text)"
            )


def _are_usual(event: Expect) -> bool:
    """Return whether all is right at first sight: each announcement is checked."""
    try:
        return tuple(map(type, _looked_up(event))) in _USUAL
    except AttributeError:  # an end that is no Endpoint
        return False


def _no_event(event: object) -> str:
    if isinstance(event, type) and event in _FIELDS:
        return f"a parser yielded the class {event.__name__} instead of an object of it"
    return f"a parser yielded {event!r}, which is not an event"


def _words(types: type | tuple[type, ...]) -> str:
    alternatives = types if isinstance(types, tuple) else (types,)
    return " or ".join("None" if t is type(None) else t.__name__ for t in alternatives)
