"""`run`, `register`, `release`, `unregister`: what changes the system. The daemon's own code does it."""

from __future__ import annotations

import argparse

from fwhelpers import config
from fwhelpers.cli.common import warn
from fwhelpers.plugin import manager as plugins


def run(arguments: argparse.Namespace) -> int:
    """`fwhelpers run`."""
    from fwhelpers.daemon import main

    return main.run(arguments.config)


def register(arguments: argparse.Namespace) -> int:
    """`fwhelpers register`: every installed helper, whatever else the configuration says."""
    from fwhelpers.registration.register import register as register_all

    draft = config.load(arguments.config)
    found = plugins.load(blocked=draft.daemon.blocked_plugins).plus(draft.rows)
    for problem in found.problems:
        warn(f"warning: {problem}")
    failed = register_all(found.helpers, pin=not arguments.no_pin)
    for name, why in failed.items():
        warn(f"error: {name}: {why}")
    done = [name for name in found.helpers if name not in failed]
    print(f"registered: {', '.join(done) or 'none'}")
    return 1 if failed else 0


def release(arguments: argparse.Namespace) -> int:
    """`fwhelpers release`."""
    from fwhelpers.registration.cthelpers import CtHelperTable

    CtHelperTable().disable_all()
    return 0


def unregister(arguments: argparse.Namespace) -> int:
    """`fwhelpers unregister`."""
    from fwhelpers.daemon.runtime_dir import require_stopped
    from fwhelpers.registration.register import unregister as unregister_all

    require_stopped()
    print(f"removed: {', '.join(unregister_all()) or 'none was registered'}")
    return 0
