"""The head of a SIP message: start line and header fields, with the places of what NAT translates (RFC 3261 §7, §25).

    INVITE sip:bob@example.org SIP/2.0               SIP/2.0 200 OK
    Via: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bK1
    CSeq: 1 INVITE

Only fields that decide on an expectation or carry an address are read. A name is matched at the beginning of a line
alone, in its long or compact form; a line that begins with white space continues the field before it (§7.3.1).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple

from fwhelpers.api import ParseError

MAX_NUMBER = 2**32 - 1  #: of CSeq and Expires (§20.16, §20.19)
MAX_FIELDS = 128  #: fields of the names below
MAX_LENGTH = 2**24  #: of a body

_REQUEST = re.compile(
    rb"([A-Za-z0-9\-.!%*_+`'~]{1,64})[ ]+([^\s]+)[ ]+SIP/2\.0[ \t]*", re.IGNORECASE
)
_RESPONSE = re.compile(rb"SIP/2\.0[ ]+([1-6][0-9]{2})(?:[ \t].*)?", re.IGNORECASE | re.DOTALL)
#: the names in long and compact form
_LONG = {
    b"v": b"via", b"m": b"contact", b"i": b"call-id", b"l": b"content-length", b"f": b"from",
    b"c": b"content-type", b"e": b"content-encoding", b"t": b"to",
}  # fmt: skip
_NAMES = (
    *_LONG, *_LONG.values(), b"cseq", b"expires", b"record-route", b"route", b"path", b"service-route",
    b"authorization", b"proxy-authorization", b"rack",
)  # fmt: skip
_FIELD = re.compile(
    rb"^(" + b"|".join(_NAMES) + rb")[ \t]*:([^\n]*(?:\n[ \t][^\n]*)*)",
    re.IGNORECASE | re.MULTILINE,
)
_EMPTY_LINE = re.compile(rb"\n\r?\n")
_UNFOLD = bytes.maketrans(b"\r\n\t", b"   ")
_CSEQ = re.compile(rb" *([0-9]+) +([^ ]+) *")
_RACK = re.compile(rb" *[0-9]+ +([0-9]{1,10}) +INVITE *", re.IGNORECASE)
_TAG = re.compile(rb"; *tag *= *([^ ;,>]+)", re.IGNORECASE)
_LENGTH = re.compile(
    rb"^(?:content-length|l)[ \t]*:([^\n]*(?:\n[ \t][^\n]*)*)", re.I | re.MULTILINE
)
_NUMBER = re.compile(rb" *([0-9]+) *")
#: fields that a message has once, or it is not considered
_ONCE = (b"call-id", b"cseq", b"from", b"to")

Span = tuple[int, int]


class Field(NamedTuple):
    """A field's value: line ends of folding are blanks, so that positions stay."""

    value: bytes
    offset: int


@dataclass(frozen=True, slots=True)
class Message:
    """A message without its body. Positions are those in the parsed bytes."""

    method: bytes  #: in upper case; of a response the method of its request
    status: int  #: 0: a request
    uri: Span  #: of a request
    call_id: bytes
    cseq: int
    fields: dict[bytes, list[Field]]
    end: int  #: where the body begins
    length: int | None  #: Content-Length
    length_span: Span

    @property
    def key(self) -> bytes:
        """The Call-ID in eight bytes."""
        return blake2b(self.call_id, digest_size=8).digest()

    @property
    def acknowledges(self) -> int | None:
        """The CSeq of the INVITE whose provisional response a PRACK confirms (RFC 3262 §7.2), None if it has none."""
        fields = self.fields.get(b"rack", ())
        match = _RACK.fullmatch(fields[0].value) if fields else None
        return int(match[1]) if match else None

    def tag(self, name: bytes) -> bytes:
        """Return the tag in From or To in eight bytes, empty if it has none."""
        # parameters of the field follow the address, which may have some of its own
        match = _TAG.search(self.fields[name][0].value.rpartition(b">")[2])
        return blake2b(match[1], digest_size=8).digest() if match else b""

    def value(self, name: bytes) -> bytes:
        """Return the value of a field that occurs once at most, in lower case; empty if it is absent."""
        fields = self.fields.get(name, ())
        return fields[0].value.strip().lower() if fields else b""


def is_start_line(line: bytes) -> bool:
    """Return whether a message can begin with this line. Another protocol's opening can't (safety rule G2)."""
    line = line.rstrip(b"\r\n")
    return bool(_REQUEST.fullmatch(line) or _RESPONSE.fullmatch(line))


def end_of_head(data: bytes | bytearray, begin: int = 0) -> int:
    """Return where the body begins, 0 if the empty line before it is missing."""
    match = _EMPTY_LINE.search(data, begin)
    return match.end() if match else 0


def parse_head(data: bytes, begin: int = 0, end: int | None = None) -> Message:
    """Parse a head, with or without the empty line behind it. Raises ParseError."""
    head = data[begin:end]
    start, _, _ = head.partition(b"\n")
    start = start.rstrip(b"\r")
    request, response = _REQUEST.fullmatch(start), _RESPONSE.fullmatch(start)
    if not request and not response:
        raise ParseError(f"not a SIP message: {start[:32]!r}")
    fields = _fields(head, begin)
    length, span = _length(fields.get(b"content-length", []))
    for name in _ONCE:
        if len(fields.get(name, ())) != 1:
            raise ParseError(f"{len(fields.get(name, ()))} header fields {name.decode()}")
    cseq, method = _cseq(fields[b"cseq"][0].value)
    if b"via" not in fields:
        raise ParseError("no header field via")
    if request and request[1].upper() != method:
        raise ParseError("the method in CSeq differs from the request's")
    return Message(
        method=method,
        status=int(response[1]) if response else 0,
        uri=(begin + request.start(2), begin + request.end(2)) if request else (0, 0),
        call_id=fields[b"call-id"][0].value.strip(),
        cseq=cseq,
        fields=fields,
        end=begin + len(head),
        length=length,
        length_span=span,
    )


def body_length(head: bytes) -> int:
    """Return the length of the body of a message whose other fields may be wrong. Raises ParseError."""
    fields = [Field(match[1].translate(_UNFOLD), 0) for match in _LENGTH.finditer(head)]
    length, _ = _length(fields)
    if length is None:
        raise ParseError("no Content-Length")
    return length


def number(text: bytes, highest: int = MAX_NUMBER) -> int:
    """Parse a decimal number of any number of digits, as leading zeros are allowed. Raises ParseError."""
    match = _NUMBER.fullmatch(text)
    digits = match[1].lstrip(b"0") if match else b""
    if not match or len(digits) > len(str(highest)) or int(digits or b"0") > highest:
        raise ParseError(f"not a number up to {highest}: {text[:24]!r}")
    return int(digits or b"0")


def _fields(head: bytes, base: int) -> dict[bytes, list[Field]]:
    fields: dict[bytes, list[Field]] = {}
    for count, (name, field) in enumerate(_read(head, base)):
        if count >= MAX_FIELDS:
            raise ParseError(f"more than {MAX_FIELDS} header fields")
        fields.setdefault(name, []).append(field)
    return fields


def _read(head: bytes, base: int) -> Iterator[tuple[bytes, Field]]:
    for match in _FIELD.finditer(head):
        name = match[1].lower()
        yield _LONG.get(name, name), Field(match[2].translate(_UNFOLD), base + match.start(2))


def _length(fields: list[Field]) -> tuple[int | None, Span]:
    lengths = {number(field.value, MAX_LENGTH) for field in fields}
    if len(lengths) > 1:
        raise ParseError("a body with two lengths")
    if not fields:
        return None, (0, 0)
    value, offset = fields[0]
    begin = len(value) - len(value.lstrip())
    return lengths.pop(), (offset + begin, offset + len(value.rstrip()))


def _cseq(value: bytes) -> tuple[int, bytes]:
    match = _CSEQ.fullmatch(value)
    if not match:
        raise ParseError(f"not a CSeq: {value[:32]!r}")
    return number(match[1]), match[2].upper()
