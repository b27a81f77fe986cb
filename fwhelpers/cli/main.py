"""The entry point: parses the command line, imports the subcommand, runs it and prints its errors."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Callable, Sequence

from fwhelpers.cli import errors, parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status."""
    _open_standard_streams()
    if getattr(sys.stdout, "errors", "") == "strict" and hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")  # such as → in Latin-1
    try:
        try:
            arguments = parser.build().parse_args(argv)
        finally:
            sys.stdout.flush()  # of --help and --version
        status = _target(arguments.target)(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        return errors.broken_pipe()
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        if os.environ.get("FWHELPERS_DEBUG"):
            raise
        return errors.print_error(error)
    return status


def _open_standard_streams() -> None:
    """Open /dev/null in place of streams that the caller closed (`>&-`), so that no other file gets their numbers."""
    for number, mode in enumerate(("r", "w", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number
            name = ("stdin", "stdout", "stderr")[number]
            setattr(sys, name, os.fdopen(number, mode, closefd=False))


def _target(name: str) -> Callable[[argparse.Namespace], int]:
    module, function = name.split(":")
    command: Callable[[argparse.Namespace], int] = getattr(
        importlib.import_module(f"fwhelpers.cli.{module}"), function
    )
    return command


if __name__ == "__main__":
    sys.exit(main())
