"""`fwhelpers run`: the manager, its way onto the bus, what it follows there, and what it looks after."""

from __future__ import annotations

import asyncio
from pathlib import Path

from fwhelpers.daemon import journal
from fwhelpers.daemon.control import DaemonControl
from fwhelpers.daemon.following import Following
from fwhelpers.daemon.manager import Manager
from fwhelpers.daemon.pin_watch import PinWatch


async def _main(config_dir: Path) -> None:
    daemon = Manager(config_dir)
    public = DaemonControl(daemon, config_dir)
    following, pins = Following(daemon), PinWatch(daemon)
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
