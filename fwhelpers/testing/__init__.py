"""Tests for plugin authors: play a conversation, check the invariants, replay a capture through the engine."""

from __future__ import annotations

from fwhelpers.testing.playbook import Playbook, client, rewritten, server

__all__ = ["Playbook", "client", "rewritten", "server"]
