"""The commands of a control connection that still wait for a reply.

Replies come in the order of the commands (RFC 959 §5.4), but real servers omit some and send others twice: IIS answers
no NOOP during a transfer, ABOR yields one, two or three replies. The queue therefore finds its place again at each
reply that can answer only one kind of command: 227 and 229, 234, 125 and 150.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from enum import IntEnum

from fwhelpers.api import ParseError


class Verb(IntEnum):
    """The kinds of commands that matter. The values are stored (4 bits)."""

    OTHER = 0
    PASV = 1
    EPSV = 2
    EPSV_ALL = 3
    ACTIVE = 4  #: PORT, EPRT
    AUTH = 5
    TRANSFER = 6  #: every command that uses the data connection
    LATE_PASV = 7  #: PASV after EPSV ALL, which forbids it
    DOUBTFUL = 8  #: PASV or EPSV after a negative reply, which may have been a surplus reply to something else


PASSIVE = frozenset({Verb.PASV, Verb.EPSV, Verb.DOUBTFUL})

MAX_PENDING = 16  #: commands other than OTHER; STATE_MAX allows no more
MANY = 15  #: a run of OTHER commands of this length or more, or of unknown length


@dataclass(slots=True)
class _Entry:
    verb: Verb
    others: int  # OTHER commands between the previous entry and this one, at most MANY


class PendingCommands:
    """A bounded queue. Commands that can open nothing are only counted; the oldest entry is forgotten first."""

    def __init__(self) -> None:
        self._entries: deque[_Entry] = deque()
        self._others = 0  # OTHER commands after the last entry

    def __contains__(self, verb: Verb) -> bool:
        return any(entry.verb is verb for entry in self._entries)

    @property
    def oldest(self) -> Verb:
        """The command that the next reply should answer, or OTHER."""
        if self._entries and not self._entries[0].others:
            return self._entries[0].verb
        return Verb.OTHER

    @property
    def idle(self) -> bool:
        """True if no reply is outstanding."""
        return not (self._entries or self._others)

    def add(self, verb: Verb) -> None:
        """Append a command."""
        if verb is Verb.OTHER:
            self._others = min(self._others + 1, MANY)
            return
        self._entries.append(_Entry(verb, self._others))
        self._others = 0
        if len(self._entries) > MAX_PENDING:
            self._entries.popleft()
            self._entries[
                0
            ].others = MANY  # the replies to the forgotten commands are still to come

    def answer(self) -> Verb:
        """Remove the oldest command and return it; OTHER if there is none.

        A run of MANY commands stays, because the number of its replies is unknown.
        """
        if self._entries and not self._entries[0].others:
            return self._entries.popleft().verb
        if self._entries:
            self._entries[0].others -= self._entries[0].others < MANY
        else:
            self._others -= 0 < self._others < MANY
        return Verb.OTHER

    def advance(self, verbs: frozenset[Verb]) -> Verb | None:
        """Make the first of these commands the oldest one and return it; None if none of them waits.

        The commands before it were answered or never will be.
        """
        for index, entry in enumerate(self._entries):
            if entry.verb in verbs:
                for _ in range(index):
                    self._entries.popleft()
                entry.others = 0
                return entry.verb
        return None

    def take(self, verbs: frozenset[Verb]) -> Verb | None:
        """Like `advance`, and remove the command as well."""
        verb = self.advance(verbs)
        if verb is not None:
            self._entries.popleft()
        return verb

    def doubt(self) -> None:
        """Mark the oldest command, a PASV or EPSV, as probably refused."""
        self._entries[0].verb = Verb.DOUBTFUL

    def drop_doubtful(self) -> None:
        """Forget a command that was marked with `doubt`."""
        if self.oldest is Verb.DOUBTFUL:
            self._entries.popleft()

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self._others = 0

    def save(self) -> bytes:
        """Encode as  | others after the last entry | verb (4 bits), others before it (4 bits) | …"""
        saved = bytearray((self._others,))
        for entry in self._entries:
            saved.append(entry.verb << 4 | entry.others)
        return bytes(saved)

    def restore(self, state: bytes) -> None:
        """Decode the result of `save`. Raises ParseError."""
        if not 1 <= len(state) <= 1 + MAX_PENDING or state[0] > MANY:
            raise ParseError("invalid stored queue of commands")
        try:
            entries = [_Entry(Verb(byte >> 4), byte & 15) for byte in state[1:]]
        except ValueError:
            entries = [_Entry(Verb.OTHER, 0)]
        if any(entry.verb is Verb.OTHER for entry in entries):
            raise ParseError("invalid stored queue of commands")
        self._others, self._entries = state[0], deque(entries)
