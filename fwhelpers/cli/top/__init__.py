"""`fwhelpers top`: a live view of the service.

`model` is changed by replies, signals and keys, `view` makes lines of it; both are pure. `feed` asks
the service, `screen` reads keys and draws with the library Rich.
"""

from __future__ import annotations

import argparse

from fwhelpers.cli.errors import CliError

MISSING = "the Python library rich is missing"
INSTALL = "install it (Debian, Fedora: python3-rich); `fwhelpers status` needs no library"


def top(arguments: argparse.Namespace) -> int:
    """Show the live view until the user quits."""
    try:
        from fwhelpers.cli.top import screen
    except ImportError as error:
        if (error.name or "").split(".")[0] != "rich":
            raise
        raise CliError(MISSING, INSTALL) from None
    return screen.run(arguments.interval)
