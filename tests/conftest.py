"""For all tests: no verdict from a wall clock, this machine may be busy or emulated."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("fwhelpers", deadline=None)
settings.load_profile("fwhelpers")
