"""Expectation events: kernel events and worker reports joined, tracked and numbered for readers.

The manager's side only; the sandboxed workers import nothing from here.
"""

from __future__ import annotations
