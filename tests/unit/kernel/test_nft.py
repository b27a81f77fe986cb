"""A table that changes hands between processes, on the real kernel, in a network namespace of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

_TEST = """
import gc, os, socket
from fwhelpers.kernel.nft import Nft, NftError

def table(chain):
    return "table inet mine {\\nflags owner\\nchain %s {\\n}\\n}\\n" % chain

first = Nft()
first.run(table("old"))
kept = os.dup(first.fileno())
first.close()
gc.collect()
print("kept", first.fileno(), Nft().tables())
try:
    Nft().run("delete table inet mine\\n")
except NftError as error:
    print("another:", error)
second = Nft(adopt=kept)
print("adopted", second.adopted, os.path.exists(f"/proc/self/fd/{kept}"))
second.run("delete table inet mine\\n" + table("new"))
print([o["chain"]["name"] for o in second.objects("chains") if "chain" in o])
second.close()
gc.collect()
print("closed", Nft().tables())
ours, theirs = socket.socketpair()
print("wrong kind", Nft(adopt=ours.detach()).adopted, Nft(adopt=999).adopted)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, for a network namespace")
@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs unshare(1)")
def test_a_table_changes_hands() -> None:
    argv = ["unshare", "--net", sys.executable, "-c", _TEST]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "kept None {('inet', 'mine')}",
        "another: nftables: Could not process rule: Operation not permitted (delete table inet mine)",
        "adopted True False",
        "['new']",
        "closed set()",
        "wrong kind False False",
    ]
