"""Writes fwhelpers.toml(5) and docs/configuration.md from the schema and the settings of the built-in helpers."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from fwhelpers import __version__
from fwhelpers.api import Helper
from fwhelpers.config import schema
from manual import roff

NAME, SECTION = "fwhelpers.toml", 5
SUMMARY = "configuration of fwhelpers"

_ABOUT = """\
The configuration consists of TOML files. The service reads `/etc/fwhelpers/fwhelpers.toml` first, then
`/etc/fwhelpers/conf.d/*.toml` in the order of their names. The files are merged key by key, and the last file wins. All
files are optional.

A table `[helpers.NAME]` enables a helper and may be empty. `fwhelpers list` shows the installed helpers. If a table has
several limits, a connection must satisfy all of them. An absent key sets no limit. `backend = "kernel"` leaves the
protocol to the kernel's own helper, within the same limits.

`fwhelpers check` reports all errors of the configuration, each with its file, key and remedy. `systemctl reload
fwhelpers` (or SIGHUP) applies a change without interruption. An invalid configuration is reported and not applied."""

_EXAMPLE = """\
[helpers.ftp]

[helpers.rpc]
destinations = ["192.0.2.0/24"]
programs = ["mountd", "nfs", "nlockmgr", "status"]

[helpers.rpc.guard]
max_per_source = 64"""

_TABLES = {
    "daemon": "Settings of the service.",
    "replication": "Two gateways: `fwhelpers replicate` sends expectations to the other gateway, and keeps those of the"
    " other one for a take-over. Without the table nothing is replicated.",
    "helpers.NAME": "Settings of a helper and limits of its control connections. Settings of single helpers are below.",
    "helpers.NAME.guard": "Limits for the expectations of a helper. Loosen them with care.",
    "discovery.NAME": "A discovery protocol of your own: requests go to a multicast group or broadcast address, and"
    " hosts on the link answer. The table enables the helper, and `[helpers.NAME]` has the other keys.",
}


def page(helpers: Mapping[str, Helper]) -> Iterator[str]:
    """Yield the lines of the page."""
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
    """Return docs/configuration.md."""
    about = "\n\n".join(
        textwrap.fill(text, 100, break_long_words=False, break_on_hyphens=False)
        for text in _ABOUT.split("\n\n")
    )
    example = "\n".join(f"    {line}".rstrip() for line in _EXAMPLE.splitlines())
    head = (
        f"# Configuration\n\n{about}\n\n{example}\n\n"
        "`./dev pages` generates this reference and fwhelpers.toml(5) from the program's schema.\n\n"
    )
    return head + schema.reference(helpers).rstrip("\n") + "\n"
