"""WS-Discovery: a client probes for devices (printers, scanners, Windows hosts) with a SOAP message.

    <s:Envelope …><s:Header>…<a:Action>http://…/discovery/Probe</a:Action>…</s:Header><s:Body>…</s:Body></s:Envelope>

WS-Discovery 2005/04 §2.4, §5.2, §6.2 and OASIS WS-Discovery 1.1 (2009/01); SOAP 1.2 part 1 §5: no document type
declaration, no processing instructions. Tags are walked, nothing is expanded: what could blow up is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fwhelpers.api import ParseError

from .query import Query

MAX_SIZE = 16384
MAX_TAGS = 512
MAX_DEPTH = 16

_NAMESPACES = (
    b"http://schemas.xmlsoap.org/ws/2005/04/discovery/",
    b"http://docs.oasis-open.org/ws-dd/ns/discovery/2009/01/",
)
_REQUESTS = frozenset([b"Probe", b"Resolve"])
_OTHERS = frozenset([b"Hello", b"Bye", b"ProbeMatches", b"ResolveMatches"])

_ACTION = [b"Envelope", b"Header", b"Action"]
_DECLARATION = re.compile(rb"(?:\xef\xbb\xbf)?(?:<\?xml\s[^?<>]*\?>)?")
# each alternative begins differently, and no part of one can be matched by the part before it
_TAG = re.compile(
    rb"(?P<text>[^<]*)(?:"
    rb"<!--(?:[^-]|-[^-])*-->"
    rb"|</(?P<close>[A-Za-z_][^\s<>/=\"']*)\s*>"
    rb"|<(?P<open>[A-Za-z_][^\s<>/=\"']*)(?:\s+[A-Za-z_][^\s<>/=\"']*\s*=\s*(?:\"[^\"<]*\"|'[^'<]*'))*\s*(?P<empty>/?)>"
    rb")"
)


def check(data: bytes, sport: int) -> Query | None:
    """A Probe or Resolve; None for Hello, Bye and the answers. Raises ParseError for what is no WS-Discovery."""
    if len(data) > MAX_SIZE:
        raise ParseError(f"{len(data)} bytes, WS-Discovery is read up to {MAX_SIZE}")
    actions = list(_actions(data))
    if len(actions) != 1:
        raise ParseError(f"{len(actions)} actions in a SOAP message")
    namespace, _, name = actions[0].rpartition(b"/")
    if namespace + b"/" not in _NAMESPACES or name not in _REQUESTS | _OTHERS:
        raise ParseError(f"not an action of WS-Discovery: {actions[0][:80]!r}")
    return Query(None, None, f"WS-Discovery {name.decode()}") if name in _REQUESTS else None


def _actions(data: bytes) -> Iterator[bytes]:
    """The text of each action; the whole message is walked."""
    begin = _DECLARATION.match(data)
    at = begin.end() if begin else 0
    path: list[bytes] = []
    open_tags: list[bytes] = []
    for _ in range(MAX_TAGS):
        match = _TAG.match(data, at)
        if not match:
            break
        at = match.end()
        if not open_tags and match["text"].strip():
            raise ParseError("text outside of the SOAP envelope")
        if match["close"] is not None:
            if not open_tags or open_tags.pop() != match["close"]:
                raise ParseError("tags that don't match")
            if path == _ACTION:
                yield match["text"].strip()
            path.pop()
            if not open_tags:
                break
        elif match["open"] is not None and not match["empty"]:
            open_tags.append(match["open"])
            path.append(match["open"].rpartition(b":")[2])
            if len(path) > MAX_DEPTH or path[0] != b"Envelope":
                raise ParseError("not a SOAP envelope")
    if open_tags or data[at:].strip(b" \t\r\n\0"):
        raise ParseError(f"not a SOAP message at {at}: {data[at : at + 32]!r}")
