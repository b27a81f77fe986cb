"""Plugins: the hook specification, loading through entry points, and validation of declared helpers.

Plugin authors use `fwhelpers.api`; the built-in helpers live in `plugins/`.
"""

from __future__ import annotations
