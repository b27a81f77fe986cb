"""`ruleset`, `counters`: look, don't touch."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from typing import Any

from fwhelpers import config
from fwhelpers.cli.common import Setup, print_json, read, warn
from fwhelpers.cli.errors import CliError
from fwhelpers.cli.providers import effective
from fwhelpers.config.schema import MAX_WORKERS


def ruleset(arguments: argparse.Namespace) -> int:
    """`fwhelpers ruleset`: what `run` would load now."""
    found, notes = effective(read(arguments.config))
    for note in notes:
        warn(f"note: {note}")
    print(text(found), end="")
    return 0


def text(found: Setup, **options: Any) -> str:
    """The ruleset of a configuration on this machine."""
    from fwhelpers.ruleset import build

    return build(found.config, found.enabled, queues(found.config.daemon), **options)


def queues(daemon: config.DaemonConfig) -> range:
    """The queue numbers that the workers take."""
    workers = daemon.workers or min(len(os.sched_getaffinity(0)), MAX_WORKERS)
    return range(daemon.queues, daemon.queues + workers)


def counters(arguments: argparse.Namespace) -> int:
    """`fwhelpers counters`: what the service has published last."""
    from fwhelpers.daemon import runtime_dir as published

    try:
        status = published.read_status()
    except FileNotFoundError:
        raise CliError("the service does not run", "start it: systemctl start fwhelpers") from None
    if arguments.json:
        print_json(status)
    else:
        print("\n".join(_counters(status)))
    return 0


def _counters(status: dict[str, Any]) -> Iterator[str]:
    for title in ("helpers", "workers"):
        rows = status.get(title) or {}
        items = rows.items() if isinstance(rows, dict) else enumerate(rows)
        for name, counts in items:
            shown = ", ".join(f"{key} {value}" for key, value in counts.items()) or "nothing yet"
            yield f"{title.removesuffix('s')} {name}: {shown}"
    for name, why in status.get("problems", {}).items():
        yield f"problem: {name}: {why}"
