"""Writes fwhelpers-plugin(7) from the docstrings of the plugin API and the hooks."""

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
A plugin is a Python package with an entry point in the group `fwhelpers.plugins`. It declares helpers through a hook.
Each helper names a parser class, and the core creates one parser for each control connection. A plugin imports
everything that it needs from the module `fwhelpers.api`.

`fwhelpers list` shows a plugin as soon as it is installed. The running service loads it on reload, and a table
`[helpers.NAME]` in fwhelpers.toml(5) enables its helpers. An error in a plugin is reported and does not affect other
plugins."""

_ENTRY = """\
[project.entry-points."fwhelpers.plugins"]
foo = "fwhelpers_foo"
"""

_TESTING = """\
`fwhelpers.testing` contains tools for the tests of a plugin. `Playbook` plays a conversation and compares the parser's
answers. `invariants.check` verifies that the result does not depend on how the stream is split and that the parser
raises only ParseError. `replay` runs a capture through the real engine with its safety rules. The example fwhelpers-foo
is a complete package with tests."""

#: the classes of the API by topic
SECTIONS = {
    "declaring a helper": ("Helper", "Policy", "Setting", "KernelHelper"),
    "parsers": ("Parser", "StreamParser", "LineParser", "DatagramParser", "ParseError"),
    "input of a parser": ("Flow", "Endpoint"),
    "events": (
        "Expect",
        "Rewrite",
        "Resize",
        "Cancel",
        "Used",
        "Refuse",
        "Keep",
        "Done",
        "Drop",
    ),
}


def page(example: str) -> Iterator[str]:
    """Yield the lines of the page; `example` is the source of a complete plugin."""
    yield from roff.title(NAME, SECTION, __version__)
    yield roff.section("name")
    yield f"{roff.escape(NAME)} \\- {SUMMARY}"
    yield roff.section("description")
    yield from roff.prose(_ABOUT)
    yield roff.section("example")
    yield from roff.example(example.strip("\n").splitlines())
    yield from roff.prose("The entry point in pyproject.toml:", first=".PP")
    yield from roff.example(_ENTRY.splitlines())
    yield roff.section("hooks")
    yield from roff.prose(
        f"Mark hooks with `@hookimpl`. A plugin may define `FWHELPERS_API = {hookspecs.API_VERSION}`, the version of"
        " the API that it needs. If the installed version differs, the plugin is refused with a hint."
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
    """Return the hook specifications by name."""
    return {n: f for n, f in vars(hookspecs).items() if n.startswith("fwhelpers_")}


def _class(name: str, cls: type) -> Iterator[str]:
    bases = [b.__name__ for b in cls.__bases__ if b.__module__ == api.__name__]
    yield roff.subsection(f"{name}({', '.join(bases)})" if bases else name)
    yield from roff.prose(_doc(cls))
    for member in members(cls):
        if not member.doc and any(hasattr(base, member.name) for base in cls.__bases__):
            continue  # an override, which the base class documents
        yield from roff.item(roff.bold(member.signature), *_described(member.doc))


def _described(doc: str) -> list[str]:
    return list(roff.prose(doc, later=".IP")) or ["\\&"]


def _doc(thing: object) -> str:
    return inspect.getdoc(thing) or ""
