"""One network namespace with a mount namespace of its own, so that daemons keep their files to themselves.

A holder process keeps both alive; commands enter with nsenter. `ip netns exec` would make a new mount namespace each
time, and an NFS mount would be gone with the command that made it.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from subprocess import CompletedProcess

from lab.process import PATIENCE, Process, run, wait_until

# resolv.conf and nsswitch.conf: nothing here has a name server to ask, and waiting for one takes minutes
_HOLD = """
set -e
ip link set lo up
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /srv
[ ! -d /var/lib/nfs ] || mount -t tmpfs tmpfs /var/lib/nfs
: > /run/resolv.conf
for name in passwd group hosts protocols services rpc; do echo "$name: files"; done > /run/nsswitch.conf
for name in resolv.conf nsswitch.conf; do
    [ ! -e /etc/$name ] || mount --bind /run/$name "$(readlink -f /etc/$name)" || true
done
mkdir -p /run/lock /run/lab /run/mnt
echo holding
exec sleep infinity
"""


class Namespace:
    """`name` as in `ip netns`; `pid` is the holder's."""

    def __init__(self, name: str, logs: Path) -> None:
        self.name = name
        self.processes: list[Process] = []
        self._logs = logs
        self._holder = Process(
            f"{name}: holder",
            ["busybox", "unshare", "-n", "-m", "busybox", "sh", "-c", _HOLD],
            logs / f"{name}-holder.log",
        )

    def wait_ready(self) -> None:
        """Wait until its files are in place."""
        self._holder.wait_line("^holding$")

    @property
    def pid(self) -> int:
        return self._holder.pid

    def enter(self, *argv: str) -> list[str]:
        """The command line that runs `argv` in here."""
        return [
            "nsenter",
            f"--net=/proc/{self.pid}/ns/net",
            f"--mount=/proc/{self.pid}/ns/mnt",
            *argv,
        ]

    def run(
        self,
        *argv: str,
        check: bool = True,
        timeout: float = PATIENCE,
        input: str | None = None,
        env: Mapping[str, str] | None = None,
    ) -> CompletedProcess[str]:
        """Run a command to its end; raises LabError when it fails, unless told otherwise."""
        return run(self.enter(*argv), check=check, timeout=timeout, input=input, env=env)

    def popen(self, *argv: str, name: str = "", env: Mapping[str, str] | None = None) -> Process:
        """Start a program that keeps running; it is ended with the namespace."""
        name = name or Path(argv[0]).name
        log = self._logs / f"{self.name}-{name}-{len(self.processes)}.log"
        process = Process(f"{self.name}: {name}", self.enter(*argv), log, env)
        self.processes.append(process)
        return process

    def path(self, inside: str) -> Path:
        """Where a file of this namespace is seen from outside."""
        return Path(f"/proc/{self.pid}/root{inside}")

    def wait_listening(self, l4: str, port: int, family: int = 0) -> None:
        """Wait until a socket is bound to the port (tcp: listens), in either or in this family."""
        tables = {0: (l4, f"{l4}6"), 4: (l4,), 6: (f"{l4}6",)}[family]
        what = f"{self.name}: port {port} of {', '.join(tables)} in use"
        wait_until(lambda: any(self._listens(table, port) for table in tables), what)

    def wait_hearing(self, process: Process) -> None:
        """Wait until a program has joined a group of netfilter's netlink, so that it misses no event."""
        wait_until(lambda: self._hears(process.pid), f"{process.name} to listen for events")

    def _hears(self, pid: int) -> bool:
        # netlink_native_seq_show(): protocol (12: NETLINK_NETFILTER), port id (the process's, for its first), groups
        lines = Path(f"/proc/{self.pid}/net/netlink").read_text().splitlines()[1:]
        return any(
            int(f[1]) == 12 and int(f[2]) == pid and int(f[3], 16) for f in map(str.split, lines)
        )

    def _listens(self, table: str, port: int) -> bool:
        # proc_pid_net: the third column is the remote address, the fourth the state (0A listen, 07 unconnected)
        state = "0A" if table.startswith("tcp") else "07"
        lines = Path(f"/proc/{self.pid}/net/{table}").read_text().splitlines()[1:]
        sockets = [line.split() for line in lines]
        return any(s[3] == state and int(s[1].rsplit(":", 1)[1], 16) == port for s in sockets)

    def close(self) -> list[Exception]:
        """End everything in here; return what went wrong."""
        errors: list[Exception] = []
        for process in reversed(self.processes):
            try:
                process.stop(20.0)
            except Exception as error:  # teardown goes on, the errors are gathered
                errors.append(error)
        try:
            run(["ip", "netns", "delete", self.name])
        except Exception as error:
            errors.append(error)
        self._holder.kill()
        return errors


def remove_leftovers(*names: str) -> None:
    """Forget namespaces that an interrupted run left behind."""
    for name in names:
        if Path("/run/netns", name).exists():
            run(["ip", "netns", "delete", name], check=False)


def scratch(where: Path) -> Path:
    """An empty directory."""
    with suppress(FileNotFoundError):
        shutil.rmtree(where)
    os.makedirs(where)
    return where
