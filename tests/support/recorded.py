"""Captures of calls and streams with the connections that really followed; where they are present.

FWHELPERS_CAPTURES names their directory, ../shared/captures beside the project is looked at otherwise.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Item = dict[str, Any]

ROOT = Path(__file__).parents[2]
CAPTURES = Path(os.environ.get("FWHELPERS_CAPTURES") or ROOT.parent / "shared" / "captures")
PRESENT = (CAPTURES / "truth.jsonl").is_file()


def strong(protocol: str) -> Iterator[Item]:
    """Yield the certain connections of a protocol, with the `path` of their captures."""
    for folder in (CAPTURES, CAPTURES / "own"):
        lines = folder / "truth.jsonl"
        for line in lines.read_text().splitlines() if lines.is_file() else ():
            item = json.loads(line)
            if item["protocol"] == protocol and item["confidence"] == "strong":
                yield item | {"path": folder / item["file"]}


def files(protocol: str) -> list[Path]:
    """Return the captures of a protocol."""
    folders = (CAPTURES / protocol, CAPTURES / "own" / protocol)
    return sorted(path for folder in folders for path in folder.glob("*.pcap*"))


def between_ends(item: Item) -> bool:
    """Return whether both ends are ends of the control connection."""
    return bool(item["src_is_master_endpoint"] and item["dst_is_master_endpoint"])


def predicts(item: Item, expected: Item) -> bool:
    """Return whether an expectation of replay is the connection's, in time. A source that is unknown may be any."""
    fields = {key: value for key, value in item["expected"].items() if value is not None}
    return (
        expected["refused"] is None
        and expected["master"] == item["master"]
        and fields.items() <= expected["expected"].items()
        and expected["trigger"] < item["first_seen_after"]["data"]
    )
