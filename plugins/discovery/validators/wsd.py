"""WS-Discovery: a client probes for devices (printers, scanners, Windows hosts) with a SOAP message.

    <s:Envelope …><s:Header>…<a:Action>http://…/discovery/Probe</a:Action>…</s:Header><s:Body>…</s:Body></s:Envelope>

WS-Discovery 2005/04 §2.4, §5.2, §6.2 and OASIS WS-Discovery 1.1 (2009/01); SOAP 1.2 part 1 §5: no document type
declaration, no processing instructions. Tags are scanned and nothing is expanded: entities and CDATA are refused.
Tolerated, as some programs write it: any prefixes, blanks before the declaration, attributes without a blank between.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from fwhelpers.api import ParseError
from fwhelpers.discovery import Query

MAX_SIZE = 16384
MAX_TAGS = 512
MAX_DEPTH = 16

_NAMESPACES = (
    b"http://schemas.xmlsoap.org/ws/2004/10/discovery/",
    b"http://schemas.xmlsoap.org/ws/2005/04/discovery/",
    b"http://docs.oasis-open.org/ws-dd/ns/discovery/2009/01/",
)
_REQUESTS = frozenset([b"Probe", b"Resolve"])
_OTHERS = frozenset([b"Hello", b"Bye", b"ProbeMatches", b"ResolveMatches"])

_ACTION = [b"Envelope", b"Header", b"Action"]
_DECLARATION = re.compile(rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml\s[^?<>]*\?>)?")
# The alternatives begin differently, and no part of one can be matched by the part before it. Only the first attribute
# needs a blank before it; the quotation mark ends the others
_ATTRIBUTE = rb"[A-Za-z_][^\s<>/=\"']*\s*=\s*(?:\"[^\"<]*\"|'[^'<]*')"
_TAG = re.compile(
    rb"(?P<text>[^<]*)(?:"
    rb"<!--(?:[^-]|-[^-])*-->"
    rb"|</(?P<close>[A-Za-z_][^\s<>/=\"']*)\s*>"
    rb"|<(?P<open>[A-Za-z_][^\s<>/=\"']*)(?:\s+"
    + _ATTRIBUTE
    + rb"(?:\s*"
    + _ATTRIBUTE
    + rb")*)?\s*(?P<empty>/?)>"
    rb")"
)


def check(data: bytes, sport: int) -> Query | None:
    """Accept Probe and Resolve; None for Hello, Bye and answers. Raises ParseError if it is not WS-Discovery."""
    if len(data) > MAX_SIZE:
        raise ParseError(f"{len(data)} bytes, WS-Discovery is read up to {MAX_SIZE}")
    actions = list(_actions(data))
    if len(actions) != 1:
        raise ParseError(f"{len(actions)} actions in a SOAP message")
    namespace, _, name = actions[0].rpartition(b"/")
    if namespace + b"/" not in _NAMESPACES or name not in _REQUESTS | _OTHERS:
        raise ParseError(f"not an action of WS-Discovery: {actions[0][:80]!r}")
    return Query(summary=f"WS-Discovery {name.decode()}") if name in _REQUESTS else None


def _actions(data: bytes) -> Iterator[bytes]:
    """Yield the text of each action; scans the whole message."""
    declaration = _DECLARATION.match(data)
    position = declaration.end() if declaration else 0
    path: list[bytes] = []
    open_tags: list[bytes] = []
    for _ in range(MAX_TAGS):
        match = _TAG.match(data, position)
        if not match:
            break
        position = match.end()
        if not open_tags and match["text"].strip():
            raise ParseError("text outside the SOAP envelope")
        if match["close"] is not None:
            if not open_tags or open_tags.pop() != match["close"]:
                raise ParseError("tags that do not match")
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
    if open_tags or data[position:].strip(b" \t\r\n\0"):
        raise ParseError(f"not a SOAP message at {position}: {data[position : position + 32]!r}")
