"""The built-in helpers, a file per protocol."""

from __future__ import annotations
