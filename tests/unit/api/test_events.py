from __future__ import annotations

import dataclasses

import pytest

from fwhelpers.api import Endpoint, Expect


def test_endpoint() -> None:
    server = Endpoint.parse("10.0.2.2", 7)
    assert str(Endpoint.parse("fd01::2", 80)) == "[fd01::2]:80"
    assert str(server) == "10.0.2.2:7"
    assert (server.family, Endpoint.parse("::1").family) == (4, 6)
    for bad in ("10.0.0", "example.org", "::g", ""):
        with pytest.raises(ValueError, match="not an address"):
            Endpoint.parse(bad)


def test_a_moved_announcement_differs_in_its_span_alone() -> None:
    others = {f.name: f.name for f in dataclasses.fields(Expect) if f.name != "span"}
    expect = Expect(span=(3, 7), **others)  # type: ignore[arg-type]
    assert expect.moved(10) == dataclasses.replace(expect, span=(13, 17))
    assert expect.moved(0) is expect
