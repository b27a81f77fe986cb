"""libnftables, as text in and JSON out.

A table with `flags owner` belongs to the netlink socket of the context that made it, and goes away with it: so one
context lives as long as the table is to live. A context stays in the network namespace in which it was made.
"""

from __future__ import annotations

import json
from typing import Any


class NftError(Exception):
    """What nftables refused, in one line."""


class Nft:
    """A libnftables context."""

    def __init__(self) -> None:
        try:
            import nftables  # the distribution's binding; slow to load, so only where it is used
        except ImportError:
            raise NftError(
                "the Python binding of nftables is missing (Debian, Fedora: python3-nftables)"
            ) from None
        try:
            self._context: Any = nftables.Nftables()
        except OSError as error:
            raise NftError(f"libnftables can't be loaded: {error}") from None

    def run(self, commands: str) -> str:
        """Run commands as one transaction, return what they print. Raises NftError."""
        context = self._context
        context.set_dry_run(False)
        return self._command(context, commands)

    def check(self, commands: str) -> None:
        """Let the kernel check commands without effect. Raises NftError."""
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

    def objects(self, what: str) -> list[dict[str, Any]]:
        """The objects of `list WHAT` as libnftables-json(5) describes them, the metainfo left out."""
        self._context.set_json_output(True)
        status, output, error = self._context.cmd(f"list {what}")
        self._context.set_json_output(False)
        if status:
            raise NftError(_one_line(error))
        found: list[dict[str, Any]] = json.loads(output)["nftables"] if output else []
        return [item for item in found if "metainfo" not in item]

    def tables(self) -> set[tuple[str, str]]:
        """All tables, as family and name."""
        return {(t["table"]["family"], t["table"]["name"]) for t in self.objects("tables")}

    def ct_helpers(self) -> list[dict[str, Any]]:
        """All `ct helper` objects of this network namespace."""
        return [item["ct helper"] for item in self.objects("ruleset") if "ct helper" in item]

    def close(self) -> None:
        """Give up the context; the tables that it owns vanish."""
        context, self._context = self._context, None
        del context


def _one_line(error: str) -> str:
    lines = [line.strip() for line in error.splitlines() if line.strip()]
    if not lines:
        return "nftables gave no reason"
    # internal:0:0-0: Error: Could not process rule: No such file or directory
    first = lines[0].split("Error: ", 1)[-1]
    quoted = lines[1] if len(lines) > 1 and not lines[1].startswith("^") else ""
    return f"nftables: {first}" + (f" ({quoted})" if quoted else "")
