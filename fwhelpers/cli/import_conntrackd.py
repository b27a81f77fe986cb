"""`fwhelpers import-conntrackd`: converts conntrackd's helper configuration."""

from __future__ import annotations

import argparse
from pathlib import Path

from fwhelpers import config
from fwhelpers.cli.common import resolve, warn
from fwhelpers.cli.errors import CliError
from fwhelpers.migrate import conntrackd, convert, firewall, render
from fwhelpers.migrate.notes import MigrationError
from fwhelpers.plugin import manager as plugins


def import_conntrackd(arguments: argparse.Namespace) -> int:
    """Print or write the configuration, and report what was not converted."""
    available = plugins.load()
    rules = firewall.read((str(file), _read(file)) for file in arguments.rules)
    try:
        document = conntrackd.parse(str(arguments.file), _read(arguments.file))
    except MigrationError as error:
        raise CliError(str(error)) from None
    result = convert.convert(document, rules, available.helpers)
    text = render.toml(result)
    # conntrackd allows two helpers on one port; our service would refuse the configuration
    resolve(config.parse([(str(arguments.file), text)]), available)
    _write(text, arguments.output)
    for note in result.notes:
        warn(str(note))
    if not result.tables:
        warn(f"{result.file}: no helper was converted")
    return 0


def _read(file: Path) -> str:
    # other encodings occur in comments only
    return file.read_bytes().decode("utf-8", "replace")


def _write(text: str, output: Path | None) -> None:
    if output is None:
        print(text, end="", flush=True)
        return
    try:
        with output.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise CliError(f"{output}: file exists", "move it away, or choose another name") from None
    except OSError:
        if output.is_file():  # leave no incomplete configuration behind
            output.unlink()
        raise
