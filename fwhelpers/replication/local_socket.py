"""Unix sockets between the processes of one gateway, for root and the service's user only."""

from __future__ import annotations

import os
import socket
import struct
from pathlib import Path

#: the directory of `fwhelpers replicate`
RUNTIME = Path(os.environ.get("FWHELPERS_REPLICATION_RUNTIME", "/run/fwhelpers-replication"))
TABLE = "table"  #: its socket, for take-overs and `cluster status`
FEED = "replication"  #: the manager's socket, in the directory of the service

_UCRED = struct.Struct("3i")  # pid, uid, gid
_BACKLOG = 8


def listen(path: Path) -> socket.socket:
    """Return a socket that listens at a path, in place of what a former process left there. Raises OSError."""
    path.unlink(missing_ok=True)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        sock.setblocking(False)
        sock.bind(str(path))
        path.chmod(0o600)
        sock.listen(_BACKLOG)  # nobody can connect before
    except OSError:
        sock.close()
        raise
    return sock


def is_trusted(sock: socket.socket) -> bool:
    """Return whether root or our own user has connected."""
    _, uid, _ = _UCRED.unpack(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
    return uid in (0, os.geteuid())
