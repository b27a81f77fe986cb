"""What must hold of every validator."""

from __future__ import annotations

import time
from collections.abc import Callable

from fwhelpers_plugins.discovery.validators.query import Query
from hypothesis import strategies as st

from fwhelpers.api import ParseError

Check = Callable[[bytes, int], Query | None]

FAST = 0.5  #: seconds of processor time for one datagram, on a slow machine


def outcome(check: Check, data: bytes, sport: int = 40000) -> Query | type[ParseError] | None:
    """What it says; ParseError is an answer too, all else that it raises is not."""
    began = time.process_time()
    try:
        found: Query | type[ParseError] | None = check(data, sport)
    except ParseError:
        found = ParseError
    assert time.process_time() - began < FAST
    if isinstance(found, Query):
        assert found.window is None or 1 <= found.window <= 600
        assert found.port is None or 1024 <= found.port < 65536
        assert found.what.isprintable()
        assert len(found.what) < 120
    return found


def damaged(good: bytes) -> st.SearchStrategy[bytes]:
    """A good datagram, cut, with bytes put in or in the place of others; and pure garbage."""
    at = st.integers(0, len(good))

    def patched(place: int, gone: int, put: bytes) -> bytes:
        return good[:place] + put + good[place + gone :]

    return st.one_of(
        st.builds(patched, at, st.integers(0, 8), st.binary(max_size=8)),
        at.map(lambda end: good[:end]),
        st.binary(max_size=200),
    )
