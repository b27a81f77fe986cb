"""Is the packet path compiled? With mypyc it is, where the package has modules for this Python."""

from __future__ import annotations

from importlib.util import find_spec

from fwhelpers import __version__


def kind() -> str:
    """Return "compiled" or "interpreted"."""
    spec = find_spec("fwhelpers.engine.inspector")
    compiled = spec is not None and spec.origin is not None and not spec.origin.endswith(".py")
    return "compiled" if compiled else "interpreted"


def version() -> str:
    return f"fwhelpers {__version__} ({kind()})"
