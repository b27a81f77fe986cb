"""Removed pins are restored at once: on the real kernel, in a network namespace of its own."""

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
# counters stand for helpers, as every kernel has them: only their number matters
TABLE = "table inet fwhelpers_pin {\\ncounter a {\\n}\\ncounter b {\\n}\\n}\\n"
helper = SimpleNamespace(registered=("tcp", "udp"))
lost = SimpleNamespace(registered=("tcp",))

class Manager:
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

async def change(manager, commands):
    manager.restored.clear()
    nft.run(commands)
    await asyncio.wait_for(manager.restored.wait(), 30)
    await asyncio.sleep(0)

async def main():
    manager = Manager()
    watch = pin_watch.PinWatch(manager)
    watch.start()
    await asyncio.wait_for(manager.restored.wait(), 30)  # there was none
    print("start", Nft().tables())
    await change(manager, "flush ruleset\\n")
    print("flushed", Nft().tables())
    await change(manager, "delete counter inet fwhelpers_pin b\\n")
    print("thinned", len([o for o in nft.objects("counters") if "counter" in o]))
    manager.fails = True
    await change(manager, "delete table inet fwhelpers_pin\\n")
    manager.restored.clear()
    check, results = watch._complete, []
    watch._complete = lambda netlink: results.append(check(netlink)) or results[-1]
    nft.run(TABLE + "add table inet other\\n")
    async with asyncio.timeout(30):
        while not results:
            await asyncio.sleep(0.01)
    # how often it looks depends on the time: an event may fall into its pause
    print("complete", set(results), manager.restored.is_set())
    await watch.stop()

asyncio.run(main())
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, for a network namespace")
@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs unshare(1)")
def test_removed_pins_are_restored() -> None:
    argv = ["unshare", "--net", sys.executable, "-c", _TEST]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    restored = "restored table fwhelpers_pin, which was removed"
    assert done.stdout.splitlines() == [
        restored,
        "start {('inet', 'fwhelpers_pin')}",
        restored,
        "flushed {('inet', 'fwhelpers_pin')}",
        restored,
        "thinned 2",
        "restore removed table fwhelpers_pin: a reason",
        "complete {True} False",
    ]
