"""fwhelpers.toml(5) and docs/configuration.md, of the table of keys and the built-in helpers' settings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fwhelpers import __version__
from fwhelpers.api import Helper
from fwhelpers.config import schema
from manual import roff

NAME, SECTION = "fwhelpers.toml", 5
SUMMARY = "configuration of fwhelpers"

_ABOUT = """\
TOML files. `/etc/fwhelpers/fwhelpers.toml` is read first, then `/etc/fwhelpers/conf.d/*.toml` in the order of their
names; they are merged key by key, and the later file wins. No file has to be there.

A helper is enabled by its table `[helpers.NAME]`, which may be empty. `fwhelpers list` shows which there are. Of
several limits in a table all must hold; an absent one limits nothing.

`fwhelpers check` examines the configuration and tells all errors at once, each with file, key and remedy. The running
service takes a change over with `systemctl reload fwhelpers` (or SIGHUP) without a gap; a wrong one changes
nothing."""

_EXAMPLE = """\
[helpers.ftp]

[helpers.rpc]
destinations = ["192.0.2.0/24"]
programs = ["mountd", "nfs", "nlockmgr", "status"]

[helpers.rpc.guard]
max_per_source = 64"""

_TABLES = {
    "daemon": "The service as a whole.",
    "helpers.NAME": "A helper, and the control connections that it looks at. Its own settings follow below.",
    "helpers.NAME.guard": "What this helper's announcements may open. Loosen with care.",
    "discovery.NAME": "A discovery protocol of your own: requests go to a group or to everybody, hosts on the link"
    " answer. It is enabled by being declared, and `[helpers.NAME]` takes the other keys.",
}


def page(helpers: Mapping[str, Helper]) -> Iterator[str]:
    """The page's lines."""
    yield from roff.title(NAME, SECTION, __version__)
    yield roff.section("name")
    yield f"{NAME} \\- {SUMMARY}"
    yield roff.section("synopsis")
    yield ".I /etc/fwhelpers/fwhelpers.toml\n.br\n.I /etc/fwhelpers/conf.d/*.toml"
    yield roff.section("description")
    yield from roff.prose(_ABOUT)
    for name, table in schema.TABLES.items():
        yield roff.section(f"[{name}]")
        if name in _TABLES:
            yield from roff.prose(_TABLES[name])
        for key in table:
            yield from _key(key.name, key.type, key.default, key.doc)
    yield roff.section("settings of the built-in helpers")
    for helper in helpers.values():
        if helper.settings:
            yield roff.subsection(f"[helpers.{helper.name}]")
            for own in helper.settings:
                yield from _key(own.name, "", own.default, own.doc)
    yield roff.section("example")
    yield from roff.example(_EXAMPLE.splitlines())
    yield roff.section("see also")
    yield ".BR fwhelpers (8),\n.BR fwhelpers\\-plugin (7)"


def _key(name: str, kind: str, default: Any, doc: str) -> Iterator[str]:
    tag = f"{roff.bold(name)} ({roff.escape(kind)})" if kind else roff.bold(name)
    default = "" if default is None or default == "" else f" Default: `{schema.toml(default)}`."
    yield from roff.item(tag, roff.inline(doc.rstrip(".") + "." + default))


def markdown(helpers: Mapping[str, Helper]) -> str:
    """docs/configuration.md."""
    about = _ABOUT.replace("\n\n", "\0").replace("\n", " ").replace("\0", "\n\n")
    example = "\n".join(f"    {line}".rstrip() for line in _EXAMPLE.splitlines())
    head = (
        f"# Configuration\n\n{about}\n\n{example}\n\n"
        "The keys below are made of the program's own tables (`./dev pages`); the same stand in fwhelpers.toml(5).\n\n"
    )
    return head + schema.reference(helpers).rstrip("\n") + "\n"
