"""Plugins: the hook specification, loading through entry points, and validation of what they declare.

The plugin author's own API is `fwhelpers.api`; the built-in helpers live in `plugins/`.
"""

from __future__ import annotations
