"""Generates the man pages and docs/configuration.md from the argument parser, the schema and docstrings.

    cd packaging && python3 -m manual DIRECTORY        writes the man pages there
    cd packaging && python3 -m manual --configuration  prints docs/configuration.md

Requires an installed fwhelpers (or PYTHONPATH): its entry points provide the settings of the built-in helpers.
"""

from __future__ import annotations
