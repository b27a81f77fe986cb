"""`fwhelpers import-conntrackd`: conntrackd's helper configuration as ours."""

from __future__ import annotations

import argparse
from pathlib import Path

from fwhelpers import config
from fwhelpers.cli.common import warn
from fwhelpers.cli.errors import CliError
from fwhelpers.migrate import conntrackd, convert, firewall, render
from fwhelpers.migrate.convert import Result
from fwhelpers.migrate.notes import MigrationError
from fwhelpers.plugin import manager as plugins


def import_conntrackd(arguments: argparse.Namespace) -> int:
    """Print or write the configuration; tell what is not in it."""
    found = plugins.load()
    rules = firewall.read((str(file), _text(file)) for file in arguments.rules)
    try:
        document = conntrackd.parse(str(arguments.file), _text(arguments.file))
    except MigrationError as error:
        raise CliError(str(error)) from None
    made = convert.convert(document, rules, found.helpers)
    text = render.toml(made)
    # two helpers on one port were conntrackd's to sort out; with us it would be refused at start
    config.resolve(config.parse([(str(arguments.file), text)]), found.helpers, found.absent())
    _put(text, arguments.output)
    _tell(made)
    return 0


def _text(file: Path) -> str:
    # other encodings occur in comments only
    return file.read_bytes().decode("utf-8", "replace")


def _put(text: str, output: Path | None) -> None:
    if output is None:
        print(text, end="", flush=True)
        return
    try:
        with output.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise CliError(f"{output}: there is such a file", "move it away, or name another") from None
    except OSError:
        if output.is_file():  # half of it is worse than nothing
            output.unlink()
        raise


def _tell(made: Result) -> None:
    for note in made.notes:
        warn(str(note))
    if not made.tables:
        warn(f"{made.file}: no helper was carried over")
