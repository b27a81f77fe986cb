"""The command `fwhelpers`, a file per group of subcommands; each is imported only when it is used."""

from __future__ import annotations
