"""The nftables text of our own tables, as pure functions of the configuration.

Nothing here runs nft; loading is `fwhelpers.kernel.nft`.
"""

from __future__ import annotations

from fwhelpers.ruleset.builder import (
    CHECK_TABLE,
    PIN_TABLE,
    TABLE,
    build,
    pin_table,
    teardown,
    unpin,
)

__all__ = ["CHECK_TABLE", "PIN_TABLE", "TABLE", "build", "pin_table", "teardown", "unpin"]
