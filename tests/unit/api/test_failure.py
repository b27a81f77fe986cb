"""An exception of a plugin is one line with the place in the plugin."""

from __future__ import annotations

import pytest

from fwhelpers.api import Endpoint
from fwhelpers.api.event_types import check_event
from fwhelpers.api.failure import describe_failure


def test_the_place_is_in_the_plugin_even_if_fwhelpers_raised() -> None:
    with pytest.raises(ValueError, match="not an address") as caught:
        Endpoint.parse("x")
    text = describe_failure(caught.value)
    assert text.startswith("ValueError: not an address: 'x' (test_failure.py:")


def test_one_line() -> None:
    assert describe_failure(KeyError()) == "KeyError"
    assert describe_failure(RuntimeError("two\nlines")) == "RuntimeError: two"


def test_the_check_of_events_knows_no_place() -> None:
    with pytest.raises(TypeError) as caught:
        check_event(None)
    traceback = caught.value.__traceback__
    assert traceback is not None
    error = caught.value.with_traceback(traceback.tb_next)
    assert describe_failure(error).endswith("which is not an event")
