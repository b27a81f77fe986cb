"""`ruleset` and `counters`: read-only views of the rules and of the service's counters."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from typing import Any

from fwhelpers import config
from fwhelpers.cli.common import Setup, print_json, print_lines, read, warn
from fwhelpers.cli.errors import CliError
from fwhelpers.cli.providers import effective
from fwhelpers.config.schema import MAX_WORKERS


def ruleset(arguments: argparse.Namespace) -> int:
    """Print the rules that `run` would load now."""
    active, notes = effective(read(arguments.config))
    for note in notes:
        warn(f"note: {note}")
    print(text(active), end="")
    return 0


def text(active: Setup, **options: Any) -> str:
    """Return the ruleset of a configuration on this machine. `options` are those of `ruleset.build`."""
    from fwhelpers.ruleset import build

    return build(active.config, active.enabled, queues(active.config.daemon), **options)


def queues(daemon: config.DaemonConfig) -> range:
    workers = daemon.workers or min(len(os.sched_getaffinity(0)), MAX_WORKERS)
    return range(daemon.queues, daemon.queues + workers)


def counters(arguments: argparse.Namespace) -> int:
    """Print the status file that the service publishes."""
    from fwhelpers.daemon import runtime_dir

    try:
        status = runtime_dir.read_status()
    except FileNotFoundError:
        raise CliError(
            "the service is not running", "start it: systemctl start fwhelpers"
        ) from None
    if arguments.json:
        print_json(status)
    else:
        print_lines(_counters(status))
    return 0


def _counters(status: dict[str, Any]) -> Iterator[str]:
    for title in ("helpers", "workers"):
        rows = status.get(title) or {}
        items = rows.items() if isinstance(rows, dict) else enumerate(rows)
        for name, counts in items:
            values = ", ".join(f"{key} {value}" for key, value in counts.items())
            yield f"{title.removesuffix('s')} {name}: {values or 'no traffic yet'}"
    for name, reason in status.get("problems", {}).items():
        yield f"problem: {name}: {reason}"
