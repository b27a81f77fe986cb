"""All fuzz targets by name. A target takes bytes and raises if an invariant is broken."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fuzz import conversations, decoders

CORPUS = Path(__file__).parent / "corpus"

Target = Callable[[bytes], None]


def all_targets() -> dict[str, Target]:
    """A parser's and an engine's target for each transport of each helper that is installed, and the decoders."""
    targets: dict[str, Target] = {}
    for name, helper in sorted(decoders.PLUGINS.helpers.items()):
        for l4 in helper.registered:
            targets[f"parser-{name}-{l4}"] = conversations.parser_target(helper, l4)
            targets[f"engine-{name}-{l4}"] = conversations.engine_target(helper, l4)
    return targets | decoders.TARGETS


def seeds(name: str) -> list[bytes]:
    """The corpus of a target; parser and engine targets share theirs."""
    folder = name.removeprefix("parser-").removeprefix("engine-")
    return [path.read_bytes() for path in sorted((CORPUS / folder).glob("*"))]
