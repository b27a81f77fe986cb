"""Converts the texts for the terminal to man(7) source.

It supports Markdown's `code` and *emphasis*, and indented lines as examples.
"""

from __future__ import annotations

import os
import re
import textwrap
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime

_INLINE = re.compile(r"`([^`]+)`|(?<![^\s(])\*([^*\s](?:[^*]*[^*\s])?)\*(?=[\s.,;:)]|$)")
_FIRST = re.compile(r"^([.'])")


def escape(text: str) -> str:
    """Return the text in ASCII with roff's special characters escaped."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    text = "".join(c if c.isascii() else f"\\[u{ord(c):04X}]" for c in text)
    return _FIRST.sub(r"\\&\1", text)


def bold(text: str) -> str:
    """Return bold text, for literal input."""
    return f"\\fB{escape(text)}\\fR"


def italic(text: str) -> str:
    """Return text in italics, for placeholders."""
    return f"\\fI{escape(text)}\\fR"


def inline(text: str) -> str:
    """Return the text of a paragraph, with code and emphasis converted."""
    page, end = [], 0
    for match in _INLINE.finditer(text):
        page.append(_plain(text[end : match.start()]))
        page.append(bold(match[1]) if match[1] else italic(match[2]))
        end = match.end()
    page.append(_plain(text[end:]))
    lines = textwrap.wrap(
        " ".join("".join(page).split()), 78, break_long_words=False, break_on_hyphens=False
    )
    return "\n".join(_FIRST.sub(r"\\&\1", line) for line in lines)


def _plain(text: str) -> str:
    # roff may break a line after a hyphen within a word, but not after the minus of an option
    return re.sub(r"(?<=\w)\\-(?=\w)", "-", escape(text))


def title(name: str, section: int, version: str) -> Iterator[str]:
    """Yield the head of the page, with the date of SOURCE_DATE_EPOCH for reproducible builds."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    day = datetime.fromtimestamp(int(epoch), UTC) if epoch else datetime.now(UTC)
    yield f'.TH "{name.upper()}" {section} "{day:%Y-%m-%d}" "fwhelpers {version}" "fwhelpers"'


def section(name: str) -> str:
    """Return a section heading, in capitals unless it names a TOML table."""
    return f'.SH "{escape(name if name.startswith("[") else name.upper())}"'


def subsection(name: str) -> str:
    """Return a subsection heading."""
    return f'.SS "{escape(name)}"'


def item(tag: str, *lines: str) -> Iterator[str]:
    """Yield a tagged paragraph; the tag is roff source."""
    yield ".TP"
    yield tag
    yield from lines


def example(lines: Iterable[str]) -> Iterator[str]:
    """Yield lines verbatim."""
    yield ".RS 4"
    yield ".EX"
    yield from (escape(line) for line in lines)
    yield ".EE"
    yield ".RE"


def prose(text: str, first: str = "", later: str = ".PP") -> Iterator[str]:
    """Yield the paragraphs and examples of a help message or docstring.

    `first` begins the first paragraph (empty after a heading or tag), `later` the others (".IP" below a tag).
    """
    start = first
    for block in re.split(r"\n\s*\n", text.strip("\n")):
        for indented, lines in _runs(block.splitlines()):
            if indented:
                yield from example(textwrap.dedent("\n".join(lines)).splitlines())
            else:
                if start:
                    yield start
                yield inline(" ".join(lines))
            start = later


def _runs(lines: list[str]) -> Iterator[tuple[bool, list[str]]]:
    """Yield runs of indented and of other lines."""
    run: list[str] = []
    for line in lines:
        if run and run[0].startswith(" ") != line.startswith(" "):
            yield run[0].startswith(" "), run
            run = []
        run.append(line)
    if run:
        yield run[0].startswith(" "), run
