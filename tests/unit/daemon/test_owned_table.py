"""The table across managers, on the real kernel in a network namespace of its own; the store is a dictionary."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

_TEST = """
import gc, os
from fwhelpers import ruleset
from fwhelpers.daemon.owned_table import OwnedTable, release_queues
from fwhelpers.kernel.nft import Nft

class Store:
    "What systemd does: it holds a descriptor of its own."
    def __init__(self): self.held = {}
    def pop(self, name): return os.dup(self.held[name]) if name in self.held else None
    def store(self, name, fd): self.held.setdefault(name, os.dup(fd))
    def drop(self, name):
        if name in self.held: os.close(self.held.pop(name))
    def drop_all(self): [self.drop(name) for name in list(self.held)]
    def names(self): return [n for n in self.held if n != "table"]

def there():
    gc.collect()
    return sorted(name for _, name in Nft().tables())

def rules(chain):
    return ruleset.teardown() + "table inet fwhelpers {\\nflags owner\\nchain %s {\\n}\\n}\\n" % chain

store = Store()
first = OwnedTable(store)
first.load(rules("a"))
first.store_fd()
first.close()
print("handed over", there())
second = OwnedTable(store)
second.load(rules("b"))
second.store_fd()
print("replaced", there())
second.remove(ruleset.teardown())
print("removed", there(), store.held)

unfit = Store()
unfit.held["table"] = os.memfd_create("x")
third = OwnedTable(unfit)
print("unfit", third.nft.adopted, unfit.held)
third.load(rules("c"))
third.close()
print("not kept", there())

never = OwnedTable(Store())
never.remove(ruleset.teardown())
print("never loaded", there())

flows = Store()
flows.held["flows-1000"] = os.memfd_create("x")
before = len(os.listdir("/proc/self/fd"))
release_queues(flows)
print("released", flows.held, before - len(os.listdir("/proc/self/fd")))
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, for a network namespace")
@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs unshare(1)")
def test_rules_are_handed_over_and_removed() -> None:
    argv = ["unshare", "--net", sys.executable, "-c", _TEST]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "handed over ['fwhelpers']",
        "replaced ['fwhelpers']",
        "removed [] {}",
        "unfit False {}",
        "not kept []",
        "never loaded []",
        "released {} 1",
    ]
