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
    if getattr(sys.stdout, "errors", "") == "strict" and hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")  # such as → in Latin-1
    arguments = parser.build().parse_args(argv)
    try:
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


def _target(name: str) -> Callable[[argparse.Namespace], int]:
    module, function = name.split(":")
    command: Callable[[argparse.Namespace], int] = getattr(
        importlib.import_module(f"fwhelpers.cli.{module}"), function
    )
    return command


if __name__ == "__main__":
    sys.exit(main())
