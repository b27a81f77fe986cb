"""FTP: `PORT`, `EPRT`, `PASV` and `EPSV` announce where the next data connection goes.

    client                                server
      PORT h1,h2,h3,h4,p1,p2     →                      the server connects to the client
      EPRT |2|addr|port|         →                      likewise (RFC 2428)
      PASV                       →
                                 ←  227 … h1,…,p2 …     the client connects to the server
      EPSV                       →
                                 ←  229 … (|||port|)    likewise, the address is the control connection's

RFC 959 (§4.2 replies, §5.3 commands), RFC 1123 §4.1.2.6 (the form of 227), RFC 2428, RFC 4217 (TLS).

What a reply means depends on the command that it answers, so commands are counted: each final reply takes one from the
queue (RFC 959 §5.4). Lines within a multi-line reply are text, whatever they look like.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Mapping
from enum import IntEnum
from functools import partial
from typing import Any, ClassVar

from fwhelpers.api import (
    Cancel,
    Done,
    Endpoint,
    Event,
    Expect,
    Flow,
    Helper,
    LineParser,
    ParseError,
    Policy,
    Refuse,
    Setting,
    Used,
    hookimpl,
)
from fwhelpers.sansio.digits import decimal
from fwhelpers.sansio.hostport import fit_eprt, format_eprt, format_six, parse_eprt, parse_six

MAX_PENDING = 16  #: commands that wait for their replies


class Verb(IntEnum):
    """What must be remembered of a command until its reply comes (4 bits each in the saved state)."""

    OTHER = 0
    PASV = 1
    EPSV = 2
    EPSV_ALL = 3
    ACTIVE = 4  #: PORT, EPRT
    AUTH = 5
    TRANSFER = 6  #: whatever uses the data connection
    LATE = 7  #: PASV after EPSV ALL


_VERBS = {
    b"PASV": Verb.PASV,
    b"EPSV": Verb.EPSV,
    b"PORT": Verb.ACTIVE,
    b"EPRT": Verb.ACTIVE,
    b"AUTH": Verb.AUTH,
    **dict.fromkeys(b"RETR STOR STOU APPE LIST NLST MLSD".split(), Verb.TRANSFER),
}

#: what a client may begin with (safety rule G2): no method of HTTP or SIP is among them
_OPENING_VERBS = frozenset(
    b"USER PASS ACCT AUTH ADAT PBSZ PROT CCC HOST LANG CLNT CSID FEAT OPTS SYST STAT HELP NOOP QUIT REIN SITE".split()
)
#: what a server may begin with: RFC 959 §5.4 "Connection Establishment", and what refusing servers send
_OPENING_CODES = frozenset(b"120 220 421 500 530 550 554".split())

_COMMAND = re.compile(
    # RFC 959 §4.1.3: "IP" and "Synch" of Telnet precede ABOR and STAT
    rb"(?:\xff\xf4|\xff\xf2)*"
    rb"(?P<verb>[A-Za-z][A-Za-z0-9]{0,15})(?: (?P<arg>[^\r\n]*))?\r?\n"
)
_REPLY = re.compile(rb"(?P<code>[1-6][0-9]{2})(?P<more>[ -]|(?=\r?\n))")
# RFC 1123 §4.1.2.6: "a User-FTP program that interprets the PASV reply must scan the reply for the first digit"
_SIX = re.compile(rb"(?<![0-9,])[0-9]{1,3}(?:,[0-9]{1,3}){5}(?![0-9,])")
_EPSV = re.compile(rb"\((?P<d>[!-~])(?P=d)(?P=d)(?P<port>[0-9]{1,5})(?P=d)\)")


class Ftp(LineParser):
    """The control connection."""

    max_message: ClassVar[int] = 4096 + 64  # a path of PATH_MAX, a verb and Telnet's bytes

    def __init__(self, flow: Flow, settings: Mapping[str, Any]) -> None:
        super().__init__(flow, settings)
        self._pending: deque[Verb] = deque()
        self._opened = [False, False]  # a direction's first line was seen
        self._greeted = False
        self._only_epsv = False
        self._multi = b""  # code of the multi-line reply that has begun
        if settings.get("pickup", False):
            self._opened, self._greeted = [True, True], True

    def message_size(self, data: bytearray, reply: bool) -> int:
        # TLS and the like may never send a line: tell them by their first byte
        if not self._opened[reply] and not (data[:1].isdigit() if reply else data[:1].isalpha()):
            raise ParseError("not FTP")
        return super().message_size(data, reply)

    def line(self, line: bytes, reply: bool) -> Iterator[Event]:
        return self._reply(line) if reply else self._command(line)

    # commands

    def _command(self, line: bytes) -> Iterator[Event]:
        if not line.strip():
            return
        match = _COMMAND.fullmatch(line)
        if not match:
            raise ParseError(f"not a command: {line[:32]!r}")
        name = match["verb"].upper()
        if not self._opened[False] and name not in _OPENING_VERBS:
            raise ParseError(f"not FTP, it begins with {name[:16]!r}")
        self._opened[False] = True
        verb = self._verb(name, match["arg"])
        self._remember(verb)
        if verb is Verb.ACTIVE:
            yield self._active(name, match)

    def _verb(self, name: bytes, arg: bytes | None) -> Verb:
        verb = _VERBS.get(name, Verb.OTHER)
        if verb is Verb.EPSV and (arg or b"").upper() == b"ALL":
            return Verb.EPSV_ALL
        if verb is Verb.PASV and self._only_epsv:
            return Verb.LATE
        return verb

    def _remember(self, verb: Verb) -> None:
        if len(self._pending) == MAX_PENDING:
            raise ParseError(f"more than {MAX_PENDING} commands without a reply")
        self._pending.append(verb)

    def _active(self, name: bytes, match: re.Match[bytes]) -> Event:
        what = name.decode()
        if not self._greeted:
            return Refuse("G4", f"{what} before the server's greeting")
        if self._only_epsv:
            return Refuse("G4", f"{what} after EPSV ALL")
        arg = match["arg"] or b""
        try:
            end = parse_six(arg) if name == b"PORT" else parse_eprt(arg)
        except ParseError as error:
            return Refuse("G11", f"{what}: {error}")
        delimiter = arg[:1]
        return Expect(
            self.flow.server,
            end,
            span=match.span("arg"),
            encode=format_six if name == b"PORT" else partial(format_eprt, delimiter=delimiter),
            fit=None if name == b"PORT" else partial(fit_eprt, delimiter=delimiter),
            what=what,
        )

    # replies

    def _reply(self, line: bytes) -> Iterator[Event]:
        match = _REPLY.match(line)
        if self._multi:
            # RFC 959 §4.2: the last line begins with the same code, immediately followed by space
            if not match or match["code"] != self._multi or match["more"] == b"-":
                return
            self._multi = b""
        elif not match:
            if line.strip():
                raise ParseError(f"not a reply: {line[:32]!r}")
            return
        code = match["code"]
        if not self._opened[True] and code not in _OPENING_CODES:
            raise ParseError(f"not FTP, it begins with {code!r}")
        self._opened[True] = True
        if match["more"] == b"-":
            self._multi = code
        elif code[:1] == b"1":
            yield from self._preliminary()
        elif not self._greeted:
            self._greeted = True
        else:
            yield from self._final(code, line)

    def _preliminary(self) -> Iterator[Event]:
        # RFC 959 §4.2: "expect another reply before proceeding": the command stays in the queue
        if self._pending and self._pending[0] is Verb.TRANSFER:
            yield Used("data")

    def _final(self, code: bytes, line: bytes) -> Iterator[Event]:
        verb = self._pending.popleft() if self._pending else Verb.OTHER
        if code == b"227":
            yield self._passive(verb, line)
        elif code == b"229":
            yield self._extended(verb, line)
        elif code == b"234" and verb is Verb.AUTH:
            yield Done("encrypted from here on")
        elif verb is Verb.EPSV_ALL and code[:1] == b"2":
            self._only_epsv = True
        elif verb is Verb.ACTIVE and code[:1] in b"45" and Verb.ACTIVE not in self._pending:
            yield Cancel("data")

    def _passive(self, verb: Verb, line: bytes) -> Event:
        if verb is not Verb.PASV:
            return Refuse("G4", _unasked(b"227", verb), _announced(line))
        match = _SIX.search(line, 4)
        if not match:
            return Refuse("G11", "227 without an address")
        try:
            end = parse_six(match[0])
        except ParseError as error:
            return Refuse("G11", f"227: {error}")
        if self.settings.get("ignore_pasv_address", False):
            return Expect(self.flow.client, self.flow.server.at(end.port), what="PASV")
        text = line[4 : match.start()]
        return Expect(
            self.flow.client,
            end,
            span=(4, match.end()),
            encode=lambda end: text + format_six(end),
            fit=lambda end, size: _fit(text, format_six(end), size),
            what="PASV",
        )

    def _extended(self, verb: Verb, line: bytes) -> Event:
        if verb is not Verb.EPSV:
            return Refuse("G4", _unasked(b"229", verb))
        match = _EPSV.search(line, 4)
        if not match:
            return Refuse("G11", "229 without (|||port|)")
        try:
            end = self.flow.server.at(decimal(match["port"], 65535))
        except ParseError as error:
            return Refuse("G11", f"229: {error}")
        if self.flow.server.family == 4:
            return Expect(self.flow.client, end, span=match.span("port"), encode=_port, what="EPSV")
        # the length must stay: the text before the parenthesis gives or takes what the port needs
        text = line[4 : match.start("port")]
        return Expect(
            self.flow.client,
            end,
            span=(4, match.end("port")),
            encode=lambda end: text + _port(end),
            fit=lambda end, size: _fit(text, _port(end), size),
            what="EPSV",
        )

    # what outlives the worker:  | flags | code of the multi-line reply (2) | count | two verbs a byte … |

    def save(self) -> bytes:
        flags = (self._opened[0], self._opened[1], self._greeted, self._only_epsv)
        verbs = list(self._pending) + [Verb.OTHER] * (len(self._pending) % 2)
        packed = bytes(a << 4 | b for a, b in zip(verbs[::2], verbs[1::2], strict=True))
        head = sum(flag << bit for bit, flag in enumerate(flags))
        multi = int(self._multi or b"0").to_bytes(2, "big")
        return bytes([head]) + multi + bytes([len(self._pending)]) + packed

    def restore(self, state: bytes) -> None:
        if not state:
            return
        try:
            head, multi, count = state[0], int.from_bytes(state[1:3], "big"), state[3]
            verbs = [Verb(half) for byte in state[4:] for half in (byte >> 4, byte & 15)]
        except (IndexError, ValueError) as error:
            raise ParseError(f"stored state: {error}") from None
        if not len(verbs) - 1 <= count <= min(len(verbs), MAX_PENDING) or multi > 699:
            raise ParseError("stored state makes no sense")
        self._opened = [bool(head & 1), bool(head & 2)]
        self._greeted, self._only_epsv = bool(head & 4), bool(head & 8)
        self._multi = b"%d" % multi if multi else b""
        self._pending = deque(verbs[:count])


def _port(end: Endpoint) -> bytes:
    return b"%d" % end.port


def _fit(text: bytes, end: bytes, size: int) -> bytes | None:
    """Fit the endpoint and the text before it into `size` bytes. Text from the parenthesis on must stay."""
    cut = text.rfind(b"(")
    cut = cut if cut >= 0 else max(0, len(text) - 1)
    people, rest = text[:cut], text[cut:] + end
    missing = size - len(people) - len(rest)
    if -missing > len(people):
        return None
    return people[: len(people) + min(missing, 0)] + b" " * missing + rest


def _unasked(code: bytes, verb: Verb) -> str:
    why = "PASV after EPSV ALL" if verb is Verb.LATE else "no command that waits for it"
    return f"{code.decode()}: {why}"


def _announced(line: bytes) -> Endpoint | None:
    try:
        match = _SIX.search(line, 4)
        return parse_six(match[0]) if match else None
    except ParseError:
        return None


SETTINGS = (
    Setting(
        "ignore_pasv_address",
        False,
        "take the server's own address whatever a 227 says, as browsers do (for servers behind a NAT that tell their "
        "inner address)",
    ),
    Setting(
        "pickup",
        False,
        "read connections that began before the helper was there; gives up the check that they began as FTP",
    ),
)


@hookimpl
def fwhelpers_helpers() -> list[Helper]:
    """FTP on tcp/21."""
    return [
        Helper(
            "ftp",
            "tcp",
            ports=[21],
            parser=Ftp,
            # a data connection follows within moments, or it isn't wanted any more
            policies=[Policy("data", max=1, timeout=60)],
            settings=SETTINGS,
            spec="RFC 959, 1123, 2428, 4217",
            doc="FTP data connections: PORT, PASV, EPRT, EPSV",
            client_announces=True,
        )
    ]
