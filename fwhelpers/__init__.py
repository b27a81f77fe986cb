"""User-space connection-tracking helpers for nftables systems."""

from __future__ import annotations

__version__ = "0.2.0"
