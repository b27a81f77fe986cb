"""The kernel's interfaces: codecs as pure functions, I/O in socket, nft and probe. Imports nothing above it."""

from __future__ import annotations
