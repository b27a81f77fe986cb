"""Benchmarks, in the lab and beside it. No test depends on what they measure."""

from __future__ import annotations
