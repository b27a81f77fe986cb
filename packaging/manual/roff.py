"""man(7) source: text in, macros out. What people wrote for the terminal needs no second version.

Of Markdown `code` and *emphasis* are understood, and indented lines as examples.
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
    """Text in which roff sees nothing of its own, in ASCII."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    text = "".join(c if c.isascii() else f"\\[u{ord(c):04X}]" for c in text)
    return _FIRST.sub(r"\\&\1", text)


def bold(text: str) -> str:
    """In bold, as what is to be typed."""
    return f"\\fB{escape(text)}\\fR"


def italic(text: str) -> str:
    """In italics, as what stands for something else."""
    return f"\\fI{escape(text)}\\fR"


def inline(text: str) -> str:
    """A paragraph's text with its code and emphasis."""
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
    # a hyphen within a word is one, and may end a line; a minus before an option may not
    return re.sub(r"(?<=\w)\\-(?=\w)", "-", escape(text))


def title(name: str, section: int, version: str) -> Iterator[str]:
    """The page's head, dated as reproducible builds want it."""
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    day = datetime.fromtimestamp(int(epoch), UTC) if epoch else datetime.now(UTC)
    yield f'.TH "{name.upper()}" {section} "{day:%Y-%m-%d}" "fwhelpers {version}" "fwhelpers"'


def section(name: str) -> str:
    """A section's heading; a TOML table keeps its letters."""
    return f'.SH "{escape(name if name.startswith("[") else name.upper())}"'


def subsection(name: str) -> str:
    """A subsection's heading."""
    return f'.SS "{escape(name)}"'


def item(tag: str, *lines: str) -> Iterator[str]:
    """A tagged paragraph; the tag is roff already."""
    yield ".TP"
    yield tag
    yield from lines


def example(lines: Iterable[str]) -> Iterator[str]:
    """Lines as they are."""
    yield ".RS 4"
    yield ".EX"
    yield from (escape(line) for line in lines)
    yield ".EE"
    yield ".RE"


def prose(text: str, first: str = "", later: str = ".PP") -> Iterator[str]:
    """Paragraphs and examples of a text as it stands in a help message or a docstring.

    `first` begins the first paragraph (nothing after a heading or tag), `later` the others (".IP" below a tag).
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
    """Consecutive lines that are indented, or are not."""
    run: list[str] = []
    for line in lines:
        if run and run[0].startswith(" ") != line.startswith(" "):
            yield run[0].startswith(" "), run
            run = []
        run.append(line)
    if run:
        yield run[0].startswith(" "), run
