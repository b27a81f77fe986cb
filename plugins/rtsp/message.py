"""The head of an RTSP message (RFC 2326 §4 to §7, RFC 7826 §5 to §8)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from fwhelpers.api import ParseError
from fwhelpers.sansio.digits import decimal

MAX_BODY = 2**31 - 1
MAX_URL = 1024  #: bytes of a URL that tell streams apart

Span = tuple[int, int]

#: a method may be any token (RFC 2326 §6.1, §15.1)
_REQUEST = re.compile(rb"([A-Za-z0-9!#$%&'*+.^_`|~\-]{1,64}) +([^\s]+) +RTSP/[12]\.[0-9][ \t]*")
_RESPONSE = re.compile(rb"RTSP/[12]\.[0-9] +([1-5][0-9]{2})(?: .*)?", re.DOTALL)
_FIELD = re.compile(
    rb"^(cseq|session|transport|content-length)[ \t]*:[ \t]*([^\n]*(?:\n[ \t][^\n]*)*)",
    re.IGNORECASE | re.MULTILINE,
)
_UNFOLD = bytes.maketrans(b"\r\n\t", b"   ")


@dataclass(frozen=True, slots=True)
class Message:
    """A message without its body. Offsets count from the first byte of the head."""

    method: bytes  #: empty: a response
    status: int  #: 0: a request
    url: bytes  #: of a request
    cseq: bytes
    session: bytes  #: without its parameters
    #: the lines Transport, which are one list, and their offsets
    transports: tuple[tuple[bytes, int], ...]
    length: int  #: of the body


def is_start(line: bytes) -> bool:
    """Return whether a message can begin with this line."""
    line = line.rstrip(b"\r\n")
    return bool(_REQUEST.fullmatch(line) or _RESPONSE.fullmatch(line))


def parse_head(head: bytes) -> Message:
    """Parse a head. Raises ParseError."""
    start = head.partition(b"\n")[0].rstrip(b"\r")
    request, response = _REQUEST.fullmatch(start), _RESPONSE.fullmatch(start)
    if not request and not response:
        raise ParseError(f"not an RTSP message: {start[:32]!r}")
    values: dict[bytes, bytes] = {}
    transports = []
    for match in _FIELD.finditer(head):
        name, value = match[1].lower(), match[2].translate(_UNFOLD).rstrip()
        # a field with several lines is one list (RFC 2326 §4.2), which only Transport is
        if name == b"transport":
            transports.append((value, match.start(2)))
        elif values.setdefault(name, value) != value:
            raise ParseError(f"repeated header field {name.decode()}")
    length = values.get(b"content-length", b"0")
    return Message(
        method=request[1] if request else b"",
        status=int(response[1]) if response else 0,
        url=request[2][:MAX_URL] if request else b"",
        cseq=values.get(b"cseq", b"")[:32],
        session=values.get(b"session", b"").partition(b";")[0].strip()[:128],
        transports=tuple(transports),
        length=decimal(length, MAX_BODY),
    )
