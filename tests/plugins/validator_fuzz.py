"""Invariants of all validators."""

from __future__ import annotations

from collections.abc import Callable

from hypothesis import strategies as st

from fwhelpers.api import ParseError
from fwhelpers.discovery import Query

Check = Callable[[bytes, int], Query | None]


def outcome(check: Check, data: bytes, sport: int = 40000) -> Query | type[ParseError] | None:
    """Return the query or the class ParseError; no other exception may leave a validator."""
    try:
        query = check(data, sport)
    except ParseError:
        return ParseError
    if query is not None:
        assert query.window is None or 1 <= query.window <= 600
        assert query.port is None or 1024 <= query.port < 65536
        assert query.summary.isprintable()
        assert len(query.summary) < 120
    return query


def damaged(valid: bytes) -> st.SearchStrategy[bytes]:
    """A valid datagram that is cut or patched, and random bytes."""
    position = st.integers(0, len(valid))

    def patched(position: int, removed: int, inserted: bytes) -> bytes:
        return valid[:position] + inserted + valid[position + removed :]

    return st.one_of(
        st.builds(patched, position, st.integers(0, 8), st.binary(max_size=8)),
        position.map(lambda end: valid[:end]),
        st.binary(max_size=200),
    )
