"""Writes fwhelpers(8) from the argument parser."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from fwhelpers import __version__
from fwhelpers.cli import parser
from manual import roff

NAME, SECTION = "fwhelpers", 8
SUMMARY = "connection-tracking helpers in user space, for nftables"

_SIGNALS = {
    "SIGTERM, SIGINT": "Remove the rules, then queues and workers, and exit. The helpers stay registered, so that"
    " rulesets that name them can still be loaded; `fwhelpers unregister` removes them.",
    "SIGHUP": "Reload configuration and plugins. An invalid configuration is reported and not applied.",
}

_FILES = {
    "/etc/fwhelpers/fwhelpers.toml": "The configuration, see fwhelpers.toml(5).",
    "/etc/fwhelpers/conf.d/*.toml": "Further configuration files, in the order of their names; the last file wins.",
    "/var/lib/fwhelpers/takeovers.json": "The results of the last `fwhelpers takeover` commands.",
    "/run/fwhelpers": "Lock and state of the running service.",
}

#: every variable that the program reads; a test compares with the source
ENVIRONMENT = {
    "FWHELPERS_BLOCK_PLUGINS": "Plugins not to load, separated by commas or spaces, in addition to those of the"
    " configuration. `*` blocks all except the built-in ones.",
    "FWHELPERS_STATE": "A directory to use instead of /var/lib/fwhelpers, for tests.",
    "FWHELPERS_RUNTIME": "A directory to use instead of /run/fwhelpers, for tests.",
    "FWHELPERS_REPLICATION_RUNTIME": "A directory to use instead of /run/fwhelpers-replication, for tests.",
    "FWHELPERS_DEBUG": "If set, errors include a traceback.",
}

_EXIT = {
    "0": "Success. For `check`: no errors were found.",
    "1": "Failure. Standard error has the reason, and a hint if there is a remedy.",
    "2": "Usage error.",
    "3, 4": "Results of `status`, `cluster` and `explain`, which describe them.",
}


def page() -> Iterator[str]:
    """Yield the lines of the page."""
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
        "A *helper* reads the control traffic of a protocol and creates a kernel expectation for each connection that"
        " the traffic announces. Its table in fwhelpers.toml(5) enables it. Every expectation must pass the safety"
        " rules, which no helper can bypass.",
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
    """Return the subcommands' parsers by name."""
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
