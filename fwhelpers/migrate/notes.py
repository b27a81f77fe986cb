"""Where something stood, what is told about it, and the one error of a migration."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

_LONGEST = 60


@dataclass(frozen=True, slots=True, order=True)
class Origin:
    """A line of a file that somebody gave us."""

    file: str
    line: int

    @property
    def short(self) -> str:
        """Without the directory: what is written into a configuration must hold on every machine."""
        return f"{printable(self.file.rpartition('/')[2])}:{self.line}"

    def __str__(self) -> str:
        return f"{printable(self.file)}:{self.line}"


@dataclass(frozen=True, slots=True)
class MigrationNote:
    """What was not carried over, and why."""

    origin: Origin
    text: str

    def __str__(self) -> str:
        return f"{self.origin}: {self.text}"


class MigrationError(Exception):
    """A file that can't be taken over at all: `FILE:LINE: what, what to do`.

    `origin` is where, `what` is wrong there, `hint` says what to do about it.
    """

    def __init__(self, origin: Origin, what: str, hint: str) -> None:
        super().__init__(f"{origin}: {what}, {hint}")
        self.origin = origin


def printable(text: str) -> str:
    """Foreign text that is harmless to terminals and within a TOML comment."""
    return text if text.isprintable() else ascii(text)


def shown(text: str) -> str:
    """Foreign text for one line of a message: printable, and cut where it is long."""
    return printable(text if len(text) <= _LONGEST else text[:_LONGEST] + "…")


def places(origins: Iterable[Origin]) -> str:
    """Some origins in one phrase, each once; of many the first ones."""
    each = list(dict.fromkeys(origin.short for origin in origins))
    more = f" and {len(each) - 4} more" if len(each) > 4 else ""
    return ", ".join(each[:4]) + more
