"""fwhelpers(8), of the parser's own table."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from fwhelpers import __version__
from fwhelpers.cli import parser
from manual import roff

NAME, SECTION = "fwhelpers", 8
SUMMARY = "connection-tracking helpers in user space, for nftables"

_SIGNALS = {
    "SIGTERM, SIGINT": "Stop: the rules go first, then queues and workers. The helpers stay registered, so that"
    " rulesets which name them can still be loaded; `fwhelpers unregister` removes them.",
    "SIGHUP": "Read configuration and plugins again. A configuration with an error changes nothing, and is told.",
}

_FILES = {
    "/etc/fwhelpers/fwhelpers.toml": "The configuration, see fwhelpers.toml(5).",
    "/etc/fwhelpers/conf.d/*.toml": "Files read after it, by name; the later file wins.",
    "/run/fwhelpers": "Lock and published state of the running service.",
}

#: every variable that the program reads; a test compares with the source
ENVIRONMENT = {
    "FWHELPERS_BLOCK_PLUGINS": "Plugins not to load, separated by commas or spaces, besides those of the configuration;"
    " `*` blocks all but the built-in ones.",
    "FWHELPERS_RUNTIME": "Another directory instead of /run/fwhelpers, for tests.",
    "FWHELPERS_DEBUG": "Set to anything, an error shows where in the program it came from.",
}

_EXIT = {
    "0": "Done. For `check`: nothing is wrong.",
    "1": "Failed; the reason is on standard error, a line each, with a hint where there is something to do.",
    "2": "Wrong usage.",
}


def page() -> Iterator[str]:
    """The page's lines."""
    top = parser.build()
    yield from roff.title(NAME, SECTION, __version__)
    yield roff.section("name")
    yield f"{NAME} \\- {roff.escape(SUMMARY)}"
    yield roff.section("synopsis")
    yield f".B {NAME}"
    yield f"{roff.italic('COMMAND')} [{roff.italic('OPTION')} \\&.\\|.\\|.]"
    yield roff.section("description")
    yield from roff.prose(top.description or "")
    yield from roff.prose(
        "A *helper* reads a protocol's control traffic and tells the kernel which connection to expect. It is enabled"
        " by its table in fwhelpers.toml(5). What may open is bounded by the safety rules, whatever a helper says.",
        first=".PP",
    )
    yield roff.section("options")
    yield from _options(top)
    yield roff.section("commands")
    for name, command in commands(top).items():
        yield from _command(name, command)
    yield from _table("exit status", _EXIT)
    yield from _table("signals", _SIGNALS)
    yield from _table("files", _FILES)
    yield from _table("environment", ENVIRONMENT)
    yield roff.section("see also")
    yield ".BR fwhelpers.toml (5),\n.BR fwhelpers\\-plugin (7),\n.BR nft (8),\n.BR conntrack (8)"


def commands(top: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The subcommands' parsers by name."""
    for action in top._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    return {}


def _command(name: str, command: argparse.ArgumentParser) -> Iterator[str]:
    yield roff.subsection(" ".join([name, *filter(None, map(_usage, command._actions))]))
    yield from roff.prose(f"{command.description}")
    if command.epilog:
        yield from roff.prose(command.epilog, first=".PP")
    yield from _options(command, skip=("-h",))


def _usage(action: argparse.Action) -> str:
    return "" if action.option_strings else _value(action)


def _value(action: argparse.Action) -> str:
    if isinstance(action.metavar, str):
        return action.metavar
    if action.choices:
        return "|".join(map(str, action.choices))
    return "" if action.nargs == 0 else action.dest.upper()


def _options(command: argparse.ArgumentParser, skip: tuple[str, ...] = ()) -> Iterator[str]:
    formatter = command._get_formatter()
    for action in command._actions:
        if isinstance(action, argparse._SubParsersAction) or set(skip) & {*action.option_strings}:
            continue
        value = _value(action) if action.nargs != 0 else ""
        if action.option_strings:
            tag = ", ".join(map(roff.bold, action.option_strings))
            tag += f" {roff.italic(value)}" if value else ""
        else:
            tag = roff.italic(value)
        yield from roff.item(tag, roff.inline(formatter._expand_help(action)))


def _table(name: str, rows: dict[str, str]) -> Iterator[str]:
    yield roff.section(name)
    for key, text in rows.items():
        yield from roff.item(roff.bold(key), roff.inline(text))
