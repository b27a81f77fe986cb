"""Grammars and cursors over bytes, without input or output. Only `ParseError` leaves these functions."""

from __future__ import annotations
