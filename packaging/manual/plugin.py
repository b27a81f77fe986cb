"""fwhelpers-plugin(7), of the plugin API's and the hooks' own docstrings."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from types import FunctionType

from fwhelpers import __version__, api
from fwhelpers.plugin import hookspecs
from fwhelpers.plugin import manager as plugins
from manual import roff
from manual.members import members

NAME, SECTION = "fwhelpers-plugin", 7
SUMMARY = "how to write a helper for fwhelpers"

_ABOUT = """\
A plugin is a Python package with an entry point in the group `fwhelpers.plugins`. It declares helpers through a hook;
each names a parser class, of which the core makes one object for each control connection. Everything that a plugin
imports is in the module `fwhelpers.api`.

`fwhelpers list` shows a plugin as soon as it is installed. The running service takes it up on reload, and a table
`[helpers.NAME]` in fwhelpers.toml(5) enables its helpers. A broken plugin is told, and stops nothing else."""

_ENTRY = """\
[project.entry-points."fwhelpers.plugins"]
foo = "fwhelpers_foo"
"""

_TESTING = """\
`fwhelpers.testing` has what a plugin's own tests need: `Playbook` is a conversation and what the parser answers,
`invariants.check` shows that one chunk and byte by byte give the same and that nothing but ParseError escapes,
`replay` runs a capture through the real engine and its safety rules. The example fwhelpers-foo is a whole package with
its tests."""

#: the classes of the API in the order in which one meets them
SECTIONS = {
    "declaring a helper": ("Helper", "Policy", "Setting"),
    "parsers": ("Parser", "StreamParser", "LineParser", "DatagramParser", "ParseError"),
    "what a parser sees": ("Flow", "Endpoint"),
    "what a parser says": ("Expect", "Cancel", "Used", "Refuse", "Done", "Drop"),
}


def page(example: str) -> Iterator[str]:
    """The page's lines; `example` is a whole plugin's source."""
    yield from roff.title(NAME, SECTION, __version__)
    yield roff.section("name")
    yield f"{roff.escape(NAME)} \\- {SUMMARY}"
    yield roff.section("description")
    yield from roff.prose(_ABOUT)
    yield roff.section("example")
    yield from roff.example(example.strip("\n").splitlines())
    yield from roff.prose("and in its pyproject.toml", first=".PP")
    yield from roff.example(_ENTRY.splitlines())
    yield roff.section("hooks")
    yield from roff.prose(
        f"Marked with `@hookimpl`. A plugin may state `FWHELPERS_API = {hookspecs.API_VERSION}`, the version of the API"
        " that it was made for; another version is refused with a remedy instead of failing later."
    )
    for name, hook in hooks().items():
        yield from roff.item(roff.bold(f"{name}()"), *roff.prose(_doc(hook), later=".IP"))
    for title, names in SECTIONS.items():
        yield roff.section(title)
        for name in names:
            yield from _class(name, getattr(api, name))
    yield roff.section("testing")
    yield from roff.prose(_TESTING)
    yield roff.section("environment")
    yield from roff.item(
        roff.bold(plugins.BLOCK_VARIABLE), roff.inline("Plugins not to load, see fwhelpers(8).")
    )
    yield roff.section("see also")
    yield ".BR fwhelpers (8),\n.BR fwhelpers.toml (5)"


def hooks() -> dict[str, FunctionType]:
    """The hook specifications by name."""
    return {n: f for n, f in vars(hookspecs).items() if n.startswith("fwhelpers_")}


def _class(name: str, cls: type) -> Iterator[str]:
    bases = [b.__name__ for b in cls.__bases__ if b.__module__ == api.__name__]
    yield roff.subsection(f"{name}({', '.join(bases)})" if bases else name)
    yield from roff.prose(_doc(cls))
    for member in members(cls):
        if not member.doc and any(hasattr(base, member.name) for base in cls.__bases__):
            continue  # inherited in meaning, only carried out differently
        yield from roff.item(roff.bold(member.signature), *_described(member.doc))


def _described(doc: str) -> list[str]:
    return list(roff.prose(doc, later=".IP")) or ["\\&"]


def _doc(thing: object) -> str:
    return inspect.getdoc(thing) or ""
