"""Origins, notes and the error of a migration."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

_LONGEST = 60


@dataclass(frozen=True, slots=True, order=True)
class Origin:
    """A line of an input file."""

    file: str
    line: int

    @property
    def short(self) -> str:
        """The origin without its directory, for comments in the configuration."""
        return f"{printable(self.file.rpartition('/')[2])}:{self.line}"

    def __str__(self) -> str:
        return f"{printable(self.file)}:{self.line}"


@dataclass(frozen=True, slots=True)
class MigrationNote:
    """A part that was not converted, and the reason."""

    origin: Origin
    text: str

    def __str__(self) -> str:
        return f"{self.origin}: {self.text}"


class MigrationError(Exception):
    """A file that cannot be converted: `FILE:LINE: problem, hint`."""

    def __init__(self, origin: Origin, problem: str, hint: str) -> None:
        super().__init__(f"{origin}: {problem}, {hint}")
        self.origin = origin


def printable(text: str) -> str:
    """Return the text in a form that is safe for terminals and TOML comments."""
    return text if text.isprintable() else ascii(text)


def shown(text: str) -> str:
    """Return the text for a line of a message: printable and of limited length."""
    return printable(text if len(text) <= _LONGEST else text[:_LONGEST] + "…")


def places(origins: Iterable[Origin]) -> str:
    """Return a phrase with the first origins and the number of the others."""
    each = list(dict.fromkeys(origin.short for origin in origins))
    more = f" and {len(each) - 4} more" if len(each) > 4 else ""
    return ", ".join(each[:4]) + more
