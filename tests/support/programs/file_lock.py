"""Takes a lock of POSIX on a file, waiting for it, and keeps it: `python file_lock.py FILE`. NFSv3 sends it as NLM."""

from __future__ import annotations

import fcntl
import signal
import sys

with open(sys.argv[1], "r+b") as file:
    print("waiting", flush=True)
    fcntl.lockf(file, fcntl.LOCK_EX)
    print("locked", flush=True)
    signal.pause()
