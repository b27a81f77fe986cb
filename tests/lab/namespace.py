"""A network namespace with a mount namespace, so that servers do not share files.

A holder process keeps both alive, and commands enter with nsenter. `ip netns exec` creates a mount namespace for each
command, so that an NFS mount would disappear with the mount command.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from subprocess import CompletedProcess

from lab.process import PATIENCE, Process, run, wait_until

# resolv.conf and nsswitch.conf: there is no name server, and waiting for one takes minutes
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
        """Wait until the holder has mounted its files."""
        self._holder.wait_line("^holding$")

    @property
    def pid(self) -> int:
        return self._holder.pid

    def enter(self, *argv: str) -> list[str]:
        """Return the command line that runs `argv` in this namespace."""
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
        """Run a command to its end. Raises LabError if it fails and `check` is true."""
        return run(self.enter(*argv), check=check, timeout=timeout, input=input, env=env)

    def popen(self, *argv: str, name: str = "", env: Mapping[str, str] | None = None) -> Process:
        """Start a program; it ends with the namespace at the latest."""
        name = name or Path(argv[0]).name
        log = self._logs / f"{self.name}-{name}-{len(self.processes)}.log"
        process = Process(f"{self.name}: {name}", self.enter(*argv), log, env)
        self.processes.append(process)
        return process

    def path(self, inside: str) -> Path:
        """Return the path of a file of this namespace as seen from outside."""
        return Path(f"/proc/{self.pid}/root{inside}")

    def wait_listening(self, l4: str, port: int, family: int = 0) -> None:
        """Wait until a socket is bound to the port (TCP: listens), in this or in any family."""
        tables = {0: (l4, f"{l4}6"), 4: (l4,), 6: (f"{l4}6",)}[family]
        description = f"{self.name}: port {port} of {', '.join(tables)} in use"
        wait_until(lambda: any(self._listens(table, port) for table in tables), description)

    def wait_listening_for_events(self, process: Process) -> None:
        """Wait until a program has joined a netfilter multicast group, so that it misses no event."""
        name = f"{process.name} to listen for events"
        wait_until(lambda: self.event_socket(process.pid), name)

    def event_socket(self, pid: int) -> list[str] | None:
        """Return the row of /proc/net/netlink for a process's socket that receives netfilter events.

        Columns (netlink_native_seq_show()): sk, Eth, Pid, Groups, Rmem, Wmem, Dump, Locks, Drops, Inode.
        """
        sockets = set()
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(FileNotFoundError):  # closed meanwhile
                sockets.add(os.readlink(descriptor))
        rows = map(str.split, Path(f"/proc/{self.pid}/net/netlink").read_text().splitlines()[1:])
        netfilter = "12"
        return next(
            (
                row
                for row in rows
                if row[1] == netfilter and int(row[3], 16) and f"socket:[{row[9]}]" in sockets
            ),
            None,
        )

    def _listens(self, table: str, port: int) -> bool:
        # proc_pid_net: the third column is the remote address, the fourth the state (0A listen, 07 unconnected)
        state = "0A" if table.startswith("tcp") else "07"
        lines = Path(f"/proc/{self.pid}/net/{table}").read_text().splitlines()[1:]
        sockets = [line.split() for line in lines]
        return any(s[3] == state and int(s[1].rsplit(":", 1)[1], 16) == port for s in sockets)

    def close(self) -> list[Exception]:
        """End all programs and the holder; return the errors."""
        errors: list[Exception] = []
        for process in reversed(self.processes):
            try:
                process.stop(20.0)
            except Exception as error:  # continue and collect the errors
                errors.append(error)
        try:
            run(["ip", "netns", "delete", self.name])
        except Exception as error:
            errors.append(error)
        self._holder.kill()
        return errors


def remove_leftovers(*names: str) -> None:
    """Remove namespaces of an interrupted run."""
    for name in names:
        if Path("/run/netns", name).exists():
            run(["ip", "netns", "delete", name], check=False)


def scratch(folder: Path) -> Path:
    """Create an empty directory."""
    with suppress(FileNotFoundError):
        shutil.rmtree(folder)
    os.makedirs(folder)
    return folder
