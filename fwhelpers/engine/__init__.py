"""The pure core: packets in, verdicts out. No I/O, no clock."""

from __future__ import annotations
