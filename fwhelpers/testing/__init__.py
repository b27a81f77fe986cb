"""For plugin authors: play a conversation, check the invariants, run a capture through the real engine."""

from __future__ import annotations

from fwhelpers.testing.playbook import Playbook, client, rewritten, server

__all__ = ["Playbook", "client", "rewritten", "server"]
