"""`fwhelpers run`: the manager, its D-Bus service, and the watch over the pin table."""

from __future__ import annotations

import asyncio
from pathlib import Path

from fwhelpers.daemon import journal
from fwhelpers.daemon.control import DaemonControl
from fwhelpers.daemon.manager import Manager
from fwhelpers.daemon.pin_watch import PinWatch
from fwhelpers.daemon.providers import Providers


async def _main(config_dir: Path) -> None:
    manager = Manager(config_dir, Providers())
    control, pins = DaemonControl(manager, config_dir), PinWatch(manager)
    try:
        await manager.start()
        control.start()
        pins.start()
        print("fwhelpers: ready", flush=True)
        await manager.serve()
    finally:
        await pins.stop()
        await control.stop()
        await manager.stop()


def run(config_dir: Path) -> int:
    """Run the service until SIGTERM; returns the exit status.

    Raises StartError, ConfigError, AlreadyRunning, NetlinkError, NftError and OSError if it can't start.
    """
    journal.set_up()
    asyncio.run(_main(config_dir))
    return 0
