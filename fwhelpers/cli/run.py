"""`run`, `register`, `release` and `unregister`: the commands that change the system."""

from __future__ import annotations

import argparse

from fwhelpers import config
from fwhelpers.cli.common import load_plugins, warn


def run(arguments: argparse.Namespace) -> int:
    from fwhelpers.daemon import main

    return main.run(arguments.config)


def register(arguments: argparse.Namespace) -> int:
    """Register every installed helper, enabled or not."""
    from fwhelpers.registration.register import register as register_all

    available = load_plugins(config.load(arguments.config))
    for problem in available.problems:
        warn(f"warning: {problem}")
    failures = register_all(available.helpers, pin=not arguments.no_pin)
    for name, reason in failures.items():
        warn(f"error: {name}: {reason}")
    registered = [name for name in available.helpers if name not in failures]
    print(f"registered: {', '.join(registered) or 'none'}")
    return 1 if failures else 0


def release(arguments: argparse.Namespace) -> int:
    from fwhelpers.registration.cthelpers import CtHelperTable

    CtHelperTable().disable_all()
    return 0


def unregister(arguments: argparse.Namespace) -> int:
    from fwhelpers.daemon.runtime_dir import require_stopped
    from fwhelpers.registration.register import unregister as unregister_all

    require_stopped()
    print(f"removed: {', '.join(unregister_all()) or 'none; no helper was registered'}")
    return 0
