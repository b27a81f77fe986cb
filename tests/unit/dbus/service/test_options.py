"""Arguments of callers: valid ones are converted, all others are InvalidArgs errors with a remedy."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwhelpers.dbus import names
from fwhelpers.dbus.errors import BusError
from fwhelpers.dbus.service import options
from fwhelpers.dbus.service.options import Check, parse_options, printable, suggestion

CHECKS: dict[str, Check] = {
    "persist": options.boolean, "helper": options.text, "limit": options.positive,
    "after": options.expectation_id, "helpers": options.names_list,
    "state": options.one_of("expected", "used"), "events": options.some_of("created", "refused"),
}  # fmt: skip


def test_valid_options_are_converted() -> None:
    parsed = parse_options(
        {
            "persist": True, "helper": "ftp", "limit": 1, "after": "0000002a-17",
            "helpers": ["ftp", "ftp"], "state": "used", "events": ["refused"],
        },
        CHECKS,
    )  # fmt: skip
    assert parsed == {
        "persist": True, "helper": "ftp", "limit": 1, "after": 17,
        "helpers": {"ftp"}, "state": "used", "events": {"refused"},
    }  # fmt: skip
    assert parse_options({}, CHECKS) == {}


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"persit": True}, "unknown option 'persit'; did you mean persist?"),
        ({"zzz": 1}, "unknown option 'zzz'; known: persist, helper, limit, after, helpers, state, events"),
        ({"persist": 1}, "option persist: must be a boolean"),
        ({"helper": ["ftp"]}, "option helper: must be a string"),
        ({"limit": -1}, "option limit: must be between 1 and 4294967295, not -1"),
        ({"limit": 0}, "option limit: must be between 1 and 4294967295, not 0"),
        ({"limit": 1 << 63}, "option limit: must be between 1 and 4294967295, not 9223372036854775808"),
        ({"limit": True}, "option limit: must be a number"),
        ({"limit": 1.0}, "option limit: must be a number"),
        ({"after": "x"}, "option after: no such ID: 'x'"),
        ({"after": "1-²"}, r"option after: no such ID: '1-\xb2'"),
        ({"after": "1-\n"}, r"option after: no such ID: '1-\n'"),
        ({"after": "1-" + "9" * 5000}, f"option after: no such ID: '1-{'9' * 62}'…"),
        ({"helpers": "ftp"}, "option helpers: must be an array of strings"),
        ({"helpers": [1]}, "option helpers: must be an array of strings"),
        ({"helpers": ["x"] * 257}, "option helpers: at most 256 names, not 257"),
        ({"state": "usd"}, "option state: unknown value 'usd'; did you mean used?"),
        ({"events": ["creatd"]}, "option events: unknown value 'creatd'; did you mean created?"),
    ],
)  # fmt: skip
def test_wrong_options_are_errors_with_a_remedy(arguments: dict[str, Any], text: str) -> None:
    with pytest.raises(BusError) as caught:
        parse_options(arguments, CHECKS)
    assert (caught.value.name, str(caught.value)) == (names.INVALID_ARGS, text)


def test_a_method_without_options_says_so() -> None:
    with pytest.raises(BusError, match="unknown option 'x'; there is none"):
        parse_options({"x": 1}, {})


def test_long_lists_of_choices_are_not_repeated() -> None:
    assert suggestion("zzz", tuple(f"name{n}" for n in range(9))) == ""


def test_text_of_a_caller_is_printed_on_one_short_ascii_line() -> None:
    assert printable("a\n\u202e") == r"'a\n\u202e'"
    assert len(printable("\0" * 10_000_000)) < 300


VALUES = st.recursive(
    st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(list(CHECKS)) | st.text(), VALUES))
def test_any_arguments_are_parsed_or_refused(arguments: dict[str, Any]) -> None:
    refusal: BusError | None = None
    parsed: dict[str, Any] = {}
    try:
        parsed = parse_options(arguments, CHECKS)
    except BusError as error:
        refusal = error
    if refusal is None:
        assert parsed.keys() == arguments.keys()
    else:
        assert refusal.name == names.INVALID_ARGS
        assert str(refusal).isprintable()
        assert len(str(refusal)) < 800
