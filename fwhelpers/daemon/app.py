"""`fwhelpers run`: the manager, its way onto the bus, and what it follows there; errors as lines for people."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from fwhelpers import config
from fwhelpers.daemon import journal
from fwhelpers.daemon.errors import StartError
from fwhelpers.daemon.files import Locked
from fwhelpers.daemon.following import Following
from fwhelpers.daemon.manager import Daemon
from fwhelpers.daemon.pins import Pins
from fwhelpers.daemon.public import Public
from fwhelpers.kernel.nfnl import NetlinkError
from fwhelpers.kernel.nft import NftError


async def _main(config_dir: Path) -> None:
    daemon = Daemon(config_dir)
    public = Public(daemon, config_dir)
    following, pins = Following(daemon), Pins(daemon)
    try:
        await daemon.start()
        public.start()
        following.start()
        pins.start()
        print("fwhelpers: ready", flush=True)
        await daemon.serve()
    finally:
        await pins.stop()
        await following.stop()
        await public.stop()
        await daemon.stop()


def run(config_dir: Path) -> int:
    """Run the service until SIGTERM; returns the exit status."""
    journal.set_up()
    try:
        asyncio.run(_main(config_dir))
    except StartError as error:
        return _fail(str(error), error.hint)
    except (config.ConfigError, Locked) as error:
        return _fail(str(error), getattr(error, "hint", ""))
    except (NetlinkError, NftError, PermissionError) as error:
        return _fail(str(error), "run `fwhelpers check` for a report of what this system lacks")
    return 0


def _fail(text: str, hint: str) -> int:
    for line in text.splitlines():
        print(f"fwhelpers: error: {line}", file=sys.stderr)
    if hint:
        print(f"hint: {hint}", file=sys.stderr)
    return 1
