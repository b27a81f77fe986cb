"""The man pages and docs/configuration.md, made of what the program itself uses: parser, keys, docstrings.

    cd packaging && python3 -m manual DIRECTORY        writes the man pages there
    cd packaging && python3 -m manual --configuration  prints docs/configuration.md

Needs an installed fwhelpers (or PYTHONPATH on one): the built-in helpers' settings are read from its entry points.
"""

from __future__ import annotations
