"""`fwhelpers run`: the manager, its way onto the bus, what it follows there, and what it looks after."""

from __future__ import annotations

import asyncio
from pathlib import Path

from fwhelpers.daemon import journal
from fwhelpers.daemon.following import Following
from fwhelpers.daemon.manager import Daemon
from fwhelpers.daemon.pins import Pins
from fwhelpers.daemon.public import Public


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
    """Run the service until SIGTERM; returns the exit status.

    Raises StartError, ConfigError, Locked, NetlinkError, NftError and OSError where it can't start.
    """
    journal.set_up()
    asyncio.run(_main(config_dir))
    return 0
