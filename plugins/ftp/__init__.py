"""FTP: `PORT`, `EPRT`, `PASV` and `EPSV` announce the next data connection.

    client                                server
      PORT h1,h2,h3,h4,p1,p2     →                      the server connects to the client
      EPRT |2|addr|port|         →                      the same (RFC 2428)
      PASV                       →
                                 ←  227 … h1,…,p2 …     the client connects to the server
      EPSV                       →
                                 ←  229 … (|||port|)    the same, to the address of the control connection

RFC 959 (§4.2 replies, §5.3 commands), RFC 1123 §4.1.2.6 (the form of 227), RFC 2428, RFC 4217 (TLS).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from fwhelpers.api import (
    Cancel,
    Endpoint,
    Event,
    Expect,
    Flow,
    Helper,
    KernelHelper,
    LineParser,
    ParseError,
    Policy,
    Refuse,
    Setting,
    Used,
    hookimpl,
)

from . import protected
from .addresses import CODE, Announcement, read_227, read_229, read_any_227, read_eprt, read_port
from .pending import MAX_PENDING as MAX_PENDING
from .pending import PASSIVE, PendingCommands, Verb

_VERBS = {
    b"PASV": Verb.PASV,
    b"EPSV": Verb.EPSV,
    b"PORT": Verb.ACTIVE,
    b"EPRT": Verb.ACTIVE,
    b"AUTH": Verb.AUTH,
    **dict.fromkeys(b"RETR STOR STOU APPE LIST NLST MLSD".split(), Verb.TRANSFER),
}

#: commands that may open a connection (safety rule G2); no method of HTTP or SIP is among them
_OPENING_VERBS = frozenset(
    b"USER PASS ACCT AUTH ADAT PBSZ PROT CCC HOST LANG CLNT CSID FEAT OPTS SYST STAT HELP NOOP QUIT REIN SITE".split()
)
# Servers greet with 220, but also with 120, 130 (hfaxd), 200 and others, or refuse with 4yz and 5yz. What a 227, 229
# or 234 means depends on a command, so none of them is a greeting.
_GREETING = re.compile(rb"(?!22[789]|234)[1245][0-9]{2}")

_COMMAND = re.compile(
    # RFC 959 §4.1.3: Telnet's "IP" and "Synch" precede ABOR and STAT
    rb"(?:\xff\xf4|\xff\xf2)*(?P<verb>[A-Za-z][A-Za-z0-9]{0,15})(?: (?P<argument>[^\n]*))?\r?\n"
)
_REPLY = re.compile(rb"(?P<code>[1-6][0-9]{2})(?P<more>[ -]|(?=\r?\n))")

# Replies to PORT and EPRT that refuse them. 425, 426 and 45z belong to a transfer, of which one reply may be late.
_REFUSALS = re.compile(rb"421|5[0-9]{2}")

_POLICIES = ("", "passive", "active")


class Ftp(LineParser):
    """Parser of the control connection."""

    max_message: ClassVar[int] = 4096 + 64  # PATH_MAX, a verb and Telnet's bytes
    reads_urgent: ClassVar[bool] = True

    def __init__(self, flow: Flow, settings: Mapping[str, Any]) -> None:
        super().__init__(flow, settings)
        self._pending = PendingCommands()
        self._opened = [False, False]  # the first line of a direction was read
        self._greeted = False  # the greeting is complete
        self._only_epsv = False
        self._protected = False  # TLS was negotiated
        self._policy = ""  # of the last announcement
        self._multi_line = b""  # code of the multi-line reply that has begun
        self._other_code = False  # a line in it looks like the last line of another reply
        self._earlier: list[
            Announcement
        ] = []  # in the lines of a multi-line 227 or 229 before the last one
        if settings.get("pickup", False):
            self._opened, self._greeted = [True, True], True

    def message_size(self, data: bytearray, reply: bool) -> int:
        if self._protected and protected.is_record(data):
            return protected.HEADER
        # TLS and other binary protocols may never send a line end: check the first byte at once
        if not self._opened[reply] and not (data[:1].isdigit() if reply else data[:1].isalpha()):
            raise ParseError("not FTP")
        return LineParser.message_size(self, data, reply)  # super() is slow, for each line

    def line(self, line: bytes, reply: bool) -> Iterator[Event]:
        if self._protected and protected.is_record(line):
            self.skip(protected.record_size(line), reply)
            return iter(())
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
            raise ParseError(f"not FTP: the client begins with {name[:16]!r}")
        self._opened[False] = True
        self._end_replies()
        argument = (match["argument"] or b"").strip()
        verb = self._classify(name, argument)
        self._pending.add(verb)
        if verb is Verb.ACTIVE:
            yield from self._active(name.decode(), argument, line.find(argument, match.end("verb")))

    def _classify(self, name: bytes, argument: bytes) -> Verb:
        verb = _VERBS.get(name, Verb.OTHER)
        if verb is Verb.EPSV and argument.upper() == b"ALL":
            return Verb.EPSV_ALL
        if verb is Verb.PASV and self._only_epsv:
            return Verb.LATE_PASV
        return verb

    def _end_replies(self) -> None:
        # The client goes on, so for the client the previous reply is complete, whatever its form
        self._pending.drop_doubtful()
        if self._other_code:
            self._multi_line, self._other_code = b"", False
            self._earlier.clear()
        if self._opened[True]:
            self._greeted = True

    def _active(self, name: str, argument: bytes, start: int) -> Iterator[Event]:
        if not self._opened[True]:
            yield Refuse("G4", f"{name} before the server's greeting")
            return
        if self._only_epsv:
            yield Refuse("G4", f"{name} after EPSV ALL")
            return
        try:
            announcement = (read_port if name == "PORT" else read_eprt)(argument, start)
        except ParseError as error:
            yield Refuse("G11", f"{name}: {error}")
            return
        yield from self._expect(self.flow.server, announcement, "active", name)

    # replies

    def _reply(self, line: bytes) -> Iterator[Event]:
        match = _REPLY.match(line)
        if self._multi_line:
            # RFC 959 §4.2: the last line begins with the same code, immediately followed by a space
            if not match or match["code"] != self._multi_line or match["more"] == b"-":
                self._other_code |= match is not None and match["more"] != b"-"
                self._read_earlier(self._multi_line, line)
                return
            self._multi_line, self._other_code = b"", False
        elif not match:
            if not self._opened[True]:
                raise ParseError(f"not FTP: the server begins with {line[:32]!r}")
            return  # text without a code: nothing opens, and clients pass over it
        code = match["code"]
        if not self._opened[True] and not _GREETING.fullmatch(code):
            raise ParseError(f"not FTP: the server begins with {code!r}")
        self._opened[True] = True
        if match["more"] == b"-":
            self._multi_line = code
            self._read_earlier(code, line)
        elif code[:1] == b"1":
            yield from self._preliminary(code)
        elif not self._greeted:
            self._greeted = True
        else:
            yield from self._final(code, line)
            self._earlier.clear()

    def _preliminary(self, code: bytes) -> Iterator[Event]:
        # RFC 959 §4.2: "expect another reply before proceeding": the command stays in the queue
        if code in (b"125", b"150") and self._pending.advance(frozenset({Verb.TRANSFER})):
            self._policy = ""
            yield Used()

    def _final(self, code: bytes, line: bytes) -> Iterator[Event]:
        if code in (b"227", b"229"):
            yield from self._passive(code, line)
        elif code == b"234" and self._pending.take(frozenset({Verb.AUTH})):
            self._protected = True
            self._pending.clear()
        elif self._pending.oldest in (Verb.PASV, Verb.EPSV):
            # No reply but 227 and 229 is positive: this one is a surplus reply to something else, or a refusal
            if code[:1] in b"45":
                self._pending.doubt()
        else:
            self._pending.drop_doubtful()
            yield from self._answer(self._pending.answer(), code)

    def _answer(self, verb: Verb, code: bytes) -> Iterator[Event]:
        if verb is Verb.EPSV_ALL and code[:1] == b"2":
            self._only_epsv = True
        elif verb is Verb.ACTIVE and _REFUSALS.fullmatch(code) and Verb.ACTIVE not in self._pending:
            self._policy = ""
            yield Cancel("active")

    def _passive(self, code: bytes, line: bytes) -> Iterator[Event]:
        name = code.decode()
        verb = self._pending.take(PASSIVE)
        if verb is None:
            late = self._pending.take(frozenset({Verb.LATE_PASV}))
            reason = "PASV after EPSV ALL" if late else "no command is waiting for it"
            endpoint = read_any_227(line) if code == b"227" else None
            yield Refuse("G4", f"{name}: {reason}", endpoint)
            return
        try:
            announcement = self._read_passive(code, line)
        except ParseError as error:
            yield Refuse("G11", f"{name}: {error}")
            return
        if code == b"227" and self.settings.get("ignore_pasv_address", False):
            server = self.flow.server.at(announcement.endpoint.port)
            announcement = Announcement(server, announcement.span, None, None)
        yield from self._expect(
            self.flow.client, announcement, "passive", "PASV" if code == b"227" else "EPSV"
        )

    def _read_passive(self, code: bytes, line: bytes) -> Announcement:
        last = _READERS[code](line, CODE, self.flow.server)
        announcements = [*self._earlier, *([last] if last else [])]
        if not announcements:
            raise ParseError("no address" if code == b"227" else "no (|||port|)")
        if len({announcement.endpoint for announcement in announcements}) > 1:
            raise ParseError("the lines of the reply name different addresses")
        if len(announcements) > 1:
            # Clients differ about which line they read, and only one can be rewritten
            return Announcement(announcements[0].endpoint, (0, 0), None, None)
        if last:
            return last
        return self._earlier[0].moved(-self.position(True))

    def _read_earlier(self, code: bytes, line: bytes) -> None:
        if code not in _READERS or len(self._earlier) > 1:
            return
        start = CODE if _REPLY.match(line) else 0
        try:
            announcement = _READERS[code](line, start, self.flow.server)
        except ParseError:
            return
        if announcement:
            self._earlier.append(announcement.moved(self.position(True)))

    # announcements

    def _expect(
        self, opener: Endpoint, announcement: Announcement, policy: str, name: str
    ) -> Iterator[Event]:
        # One data connection at a time: the announcement replaces one in the other direction
        if self._policy not in ("", policy):
            yield Cancel(self._policy)
        self._policy = policy
        yield Expect(
            opener,
            announcement.endpoint,
            policy=policy,
            span=announcement.span,
            encode=announcement.encode,
            fit=announcement.fit,
            trigger=name,
        )

    # another gateway

    def resumable(self) -> bool:
        begun = self._greeted and all(self._opened)
        special = self._only_epsv or self._protected or self._multi_line
        return begun and not special and self._pending.idle

    def pick_up(self) -> None:
        self._opened, self._greeted = [True, True], True

    # state for another worker:  | flags | code of the multi-line reply (2) | pending commands |

    def boundary(self, reply: bool) -> bool:
        return LineParser.boundary(self, reply) and not (reply and self._earlier)

    def save(self) -> bytes:
        client, server = self._opened
        head = client | server << 1 | self._greeted << 2 | self._only_epsv << 3
        head |= self._protected << 4 | self._other_code << 5
        if self._policy:
            head |= _POLICIES.index(self._policy) << 6
        multi = int(self._multi_line) if self._multi_line else 0
        return bytes((head, multi >> 8, multi & 0xFF)) + self._pending.save()

    def restore(self, state: bytes) -> None:
        if not state:
            return
        head, multi = state[0], int.from_bytes(state[1:3], "big")
        if head >> 6 >= len(_POLICIES) or multi > 699:
            raise ParseError("invalid stored state")
        self._pending.restore(state[3:])
        self._opened = [bool(head & 1), bool(head & 2)]
        self._greeted, self._only_epsv = bool(head & 4), bool(head & 8)
        self._protected, self._other_code = bool(head & 16), bool(head & 32)
        self._policy = _POLICIES[head >> 6]
        self._multi_line = b"%d" % multi if multi else b""


_READERS = {b"227": read_227, b"229": read_229}

SETTINGS = (
    Setting(
        "ignore_pasv_address",
        False,
        "use the server's own address instead of the one in a 227, as browsers do (for servers behind NAT that "
        "announce their inner address)",
    ),
    Setting(
        "pickup",
        False,
        "parse connections that began before the helper was enabled; this gives up the check that they began as FTP",
    ),
    Setting(
        "resume",
        False,
        "keep the position between two commands in the conntrack labels 87 to 119, from which another gateway "
        "continues after a failover",
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
            policies=[
                # clients connect within moments
                Policy("passive", max=1, timeout=60),
                # servers may first fetch the file from a tape or another slow store
                Policy("active", max=1, timeout=3600),
            ],
            settings=SETTINGS,
            spec="RFC 959, 1123, 2428, 4217",
            doc="FTP data connections: PORT, PASV, EPRT, EPSV",
            client_announces=True,
            kernel=[KernelHelper("ftp", "tcp", "nf_conntrack_ftp", "nf_nat_ftp")],
        )
    ]
