"""Messages of MGCP (RFC 3435 §3.2), as far as connections and their session descriptions go.

    CRCX 1204 aaln/1@rgw.example.net MGCP 1.0      command: verb, transaction, endpoint, version
    C: A3C47F21456789F0                            call; I: connection, Z: endpoint, RM: method of a restart

    v=0 …                                          session description
    .                                              one more message in the datagram (§3.5.5)
    200 1205 OK                                    response: code, transaction

Names are not case-sensitive. Lines end in CR LF or LF. A message that cannot be read is no message.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import NamedTuple

MAX_MESSAGES = 32  #: in one datagram
MAX_PARAMETERS = 64  #: lines of a message that are read

_COMMAND = re.compile(
    rb"([A-Za-z]{4})[ \t]+([0-9]{1,9})[ \t]+([^ \t]{1,255})[ \t]+MGCP[ \t]+[0-9]\.[0-9]",
    re.IGNORECASE,
)
_RESPONSE = re.compile(rb"([0-9]{3})(?:[ \t]+([0-9]{1,9}))(?=[ \t]|$)")
_PARAMETER = re.compile(rb"([A-Za-z][A-Za-z0-9/_.+-]{0,31})[ \t]*:[ \t]*([^ \t]{0,255})")
_SEPARATOR = re.compile(rb"^\.[ \t]*\r?$", re.MULTILINE)
_LINE = re.compile(rb"([^\r\n]*)\r?\n?")
_IDENTIFIER = re.compile(rb"[A-Za-z0-9]{1,32}")


class Second(NamedTuple):
    """The second connection that a CRCX creates, at the same gateway (§2.3.5)."""

    endpoint: bytes  #: Z2, in lower case
    connection: bytes  #: I2, in upper case; empty: there is none
    body: tuple[int, int]  #: its session description


@dataclass(frozen=True, slots=True)
class Message:
    """A command or a response."""

    verb: bytes  #: of a command, in upper case; empty: a response
    code: int  #: of a response
    transaction: int
    endpoint: (
        bytes  #: of a command, or the one that a response chose (Z), in lower case; may be empty
    )
    call: bytes  #: call identifier (C), in upper case; may be empty
    connection: bytes  #: connection identifier (I), in upper case; may be empty
    restart: bytes  #: method of a restart (RM), in lower case
    body: tuple[int, int]  #: begin and end of the first session description; empty if there is none
    second: Second  #: of a response: the connection that was created with the first one
    digest: bytes  #: of all bytes: a repetition has the same


def messages(data: bytes) -> Iterator[Message]:
    """Parse the messages of a datagram, up to what is none.

    In the datagram of another protocol a text of the attacker may hold a separator and a message behind it: the user
    name that a browser sends to a TURN server.
    """
    begin = 0
    for _ in range(MAX_MESSAGES):
        match = _SEPARATOR.search(data, begin)
        end = match.start() if match else len(data)
        message = _parse(data, begin, end)
        if not message:
            return
        yield message
        if not match:
            return
        begin = match.end() + (data[match.end() : match.end() + 1] == b"\n")


def _parse(data: bytes, begin: int, end: int) -> Message | None:
    line = _line(data, begin, end)
    first = line[1]
    command, response = _COMMAND.match(first), _RESPONSE.match(first)
    if not command and not response:
        return None
    parameters, body = _parameters(data, line.end(), end)
    endpoint = command[3] if command else parameters.get(b"Z", b"")
    first_body = _description(data, body, end)
    second = Second(
        parameters.get(b"Z2", b"").lower(),
        _identifier(parameters.get(b"I2", b"")),
        _description(data, _line(data, first_body[1], end).end(), end),
    )
    return Message(
        verb=command[1].upper() if command else b"",
        code=0 if command or not response else int(response[1]),
        transaction=int((command or response or first)[2]),
        endpoint=endpoint.lower(),
        call=_identifier(parameters.get(b"C", b"")),
        connection=_identifier(parameters.get(b"I", b"")),
        restart=parameters.get(b"RM", b"").lower(),
        body=first_body,
        second=second,
        digest=blake2b(data[begin:end], digest_size=8).digest(),
    )


def _parameters(data: bytes, at: int, end: int) -> tuple[dict[bytes, bytes], int]:
    """Return the first value of each parameter, and where the body begins."""
    parameters: dict[bytes, bytes] = {}
    for _ in range(MAX_PARAMETERS):
        if at >= end:
            break
        line = _line(data, at, end)
        at = line.end()
        if not line[1].strip():
            return parameters, at
        match = _PARAMETER.match(line[1])
        if match:
            parameters.setdefault(match[1].upper(), match[2])
    return parameters, end


def _description(data: bytes, begin: int, end: int) -> tuple[int, int]:
    """Return the place of the first description; a second one follows an empty line (§2.3.5)."""
    at = begin
    while at < end:
        line = _line(data, at, end)
        if not line[1].strip():
            break
        at = line.end()
    return begin, at


def _line(data: bytes, at: int, end: int) -> re.Match[bytes]:
    match = _LINE.match(data, at, end)
    assert match  # it matches the empty text
    return match


def _identifier(text: bytes) -> bytes:
    return text.upper() if _IDENTIFIER.fullmatch(text) else b""


def covers(pattern: bytes, endpoint: bytes) -> bool:
    """Return whether a name with wildcards `*` (§2.1.2), in lower case, is the endpoint's."""
    first, *others = pattern.split(b"*")
    if not others:
        return first == endpoint
    if not endpoint.startswith(first):
        return False
    at = len(first)
    for part in others[:-1]:
        place = endpoint.find(part, at)
        if place < 0:
            return False
        at = place + len(part)
    return len(endpoint) - len(others[-1]) >= at and endpoint.endswith(others[-1])
