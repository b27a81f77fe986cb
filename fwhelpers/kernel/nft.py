"""libnftables: text in, JSON out.

A table with `flags owner` belongs to the netlink socket of the context that created it and is deleted with the socket,
so the context must live as long as the table. A context stays in the network namespace in which it was created.
"""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path
from typing import Any

_NETLINK_NETFILTER = 12


class NftError(Exception):
    """An error of nftables, in one line."""


class Nft:
    """A libnftables context.

    `adopt`: the socket of an earlier context. This context takes over the ownership of its tables.
    """

    def __init__(self, adopt: int | None = None) -> None:
        try:
            import nftables  # the distribution's binding; slow to load, so imported on use
        except ImportError:
            raise NftError(
                "the Python binding of nftables is missing (Debian, Fedora: python3-nftables)"
            ) from None
        before = _sockets()
        try:
            self._context: Any = nftables.Nftables()
        except OSError as error:
            raise NftError(f"libnftables can't be loaded: {error}") from None
        self._fd = next(iter(_sockets() - before), None)
        self.adopted = adopt is not None and self._adopt(adopt)

    def _adopt(self, fd: int) -> bool:
        # libnftables opens its socket itself and keeps only its number (src/mnl.c: nft_mnl_socket_open)
        try:
            with socket.socket(fileno=fd) as old:
                fits = (old.family, old.proto) == (socket.AF_NETLINK, _NETLINK_NETFILTER)
                if not fits or self._fd is None:
                    return False
                _drain(old)
                os.dup2(old.fileno(), self._fd, inheritable=False)
        except OSError:
            return False
        return True

    def fileno(self) -> int | None:
        """The socket that owns this context's tables, None if it could not be determined."""
        return self._fd

    def run(self, commands: str) -> str:
        """Run commands as one transaction and return their output. Raises NftError."""
        context = self._context
        context.set_dry_run(False)
        return self._command(context, commands)

    def check(self, commands: str) -> None:
        """Have the kernel check commands without applying them. Raises NftError."""
        context = self._context
        context.set_dry_run(True)
        try:
            self._command(context, commands)
        finally:
            context.set_dry_run(False)

    def _command(self, context: Any, commands: str) -> str:
        context.set_json_output(False)
        status, output, error = context.cmd(commands)
        if status:
            raise NftError(_one_line(error))
        return str(output)

    def objects(self, kind: str) -> list[dict[str, Any]]:
        """The objects of `list KIND` as libnftables-json(5) describes them, the metainfo left out.

        Do not list tables: for an owned one the JSON of nft 1.0.6 reads beyond its array of flag names (src/json.c:
        table_print_json).
        """
        self._context.set_json_output(True)
        status, output, error = self._context.cmd(f"list {kind}")
        self._context.set_json_output(False)
        if status:
            raise NftError(_one_line(error))
        items: list[dict[str, Any]] = json.loads(output)["nftables"] if output else []
        return [item for item in items if "metainfo" not in item]

    def listing(self) -> str:
        """The ruleset as `nft -a list ruleset` prints it, each rule with its handle. Raises NftError."""
        self._context.set_handle_output(True)
        try:
            return self.run("list ruleset\n")
        finally:
            self._context.set_handle_output(False)

    def tables(self) -> set[tuple[str, str]]:
        """All tables, as family and name."""
        lines = (line.split() for line in self.run("list tables\n").splitlines())
        return {(words[1], words[2]) for words in lines if words[:1] == ["table"]}

    def ct_helpers(self) -> list[dict[str, Any]]:
        """All `ct helper` objects of this network namespace."""
        lists = (self.objects(f"ct helpers table {f} {name}") for f, name in self.tables())
        return [item["ct helper"] for items in lists for item in items if "ct helper" in item]

    def close(self) -> None:
        """Close the context; the tables that it owns are deleted."""
        context, self._context, self._fd = self._context, None, None
        del context


def _sockets() -> set[int]:
    """The descriptors of this process's sockets."""
    sockets = set()
    for link in Path("/proc/self/fd").iterdir():
        try:
            if os.readlink(link).startswith("socket:"):
                sockets.add(int(link.name))
        except OSError:  # the directory's own descriptor, or one that another thread closed
            continue
    return sockets


def _drain(sock: socket.socket) -> None:
    """Discard answers that the previous owner did not read."""
    sock.setblocking(False)
    try:
        while True:
            sock.recv(1 << 16)
    except BlockingIOError:
        return


def _one_line(error: str) -> str:
    lines = [line.strip() for line in error.splitlines() if line.strip()]
    if not lines:
        return "nftables gave no reason"
    # internal:0:0-0: Error: Could not process rule: No such file or directory
    first = lines[0].split("Error: ", 1)[-1]
    quoted = lines[1] if len(lines) > 1 and not lines[1].startswith("^") else ""
    return f"nftables: {first}" + (f" ({quoted})" if quoted else "")
