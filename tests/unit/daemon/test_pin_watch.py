"""Pins that somebody takes are back at once: on the real kernel, in a network namespace of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

_TEST = """
import asyncio, logging, sys
from types import SimpleNamespace
from fwhelpers.daemon import pin_watch
from fwhelpers.kernel.nft import Nft, NftError

logging.basicConfig(format="%(message)s", stream=sys.stdout)
pin_watch.PAUSE = 0.0
# objects that every kernel has stand for helpers: what counts is their number
TABLE = "table inet fwhelpers_pin {\\ncounter a {\\n}\\ncounter b {\\n}\\n}\\n"
helper = SimpleNamespace(registered=("tcp", "udp"))
lost = SimpleNamespace(registered=("tcp",))

class Daemon:
    state = SimpleNamespace(
        plugins=SimpleNamespace(helpers={"x": helper, "lost": lost}), problems={"lost": "no"}
    )
    fails = False

    def __init__(self):
        self.restored = asyncio.Event()

    async def register_again(self):
        self.restored.set()
        if self.fails:
            raise NftError("a reason")
        nft.run(TABLE)

nft = Nft()

async def change(daemon, commands):
    daemon.restored.clear()
    nft.run(commands)
    await asyncio.wait_for(daemon.restored.wait(), 30)
    await asyncio.sleep(0)

async def main():
    daemon = Daemon()
    looking = pin_watch.PinWatch(daemon)
    looking.start()
    await asyncio.wait_for(daemon.restored.wait(), 30)  # there was none
    print("start", Nft().tables())
    await change(daemon, "flush ruleset\\n")
    print("flushed", Nft().tables())
    await change(daemon, "delete counter inet fwhelpers_pin b\\n")
    print("thinned", len([o for o in nft.objects("counters") if "counter" in o]))
    daemon.fails = True
    await change(daemon, "delete table inet fwhelpers_pin\\n")
    daemon.restored.clear()
    look, seen = looking._whole, []
    looking._whole = lambda netlink: seen.append(look(netlink)) or seen[-1]
    nft.run(TABLE + "add table inet other\\n")
    async with asyncio.timeout(30):
        while not seen:
            await asyncio.sleep(0.01)
    print("whole", seen, daemon.restored.is_set())
    await looking.stop()

asyncio.run(main())
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, for a network namespace")
@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs unshare(1)")
def test_they_come_back() -> None:
    argv = ["unshare", "--net", sys.executable, "-c", _TEST]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    restored = "table fwhelpers_pin was removed by somebody, and is restored"
    assert done.stdout.splitlines() == [
        restored,
        "start {('inet', 'fwhelpers_pin')}",
        restored,
        "flushed {('inet', 'fwhelpers_pin')}",
        restored,
        "thinned 2",
        "table fwhelpers_pin was removed, and can't be restored: a reason",
        "whole [True] False",
    ]
