"""Requests of lamps and air conditioners in JSON."""

from __future__ import annotations

import pytest
from fwhelpers_plugins.discovery.validators.home import check_govee, check_gree, check_wiz
from hypothesis import given
from hypothesis import strategies as st
from validator_fuzz import Check, damaged, outcome

from fwhelpers.api import ParseError

GOVEE = b'{"msg":{"cmd":"scan","data":{"account_topic":"reserve"}}}'
GREE = b'{"t":"scan"}'
WIZ = b'{"method":"registration","params":{"phoneMac":"AAAAAAAAAAAA","register":false}}'
CHECKS: list[tuple[Check, bytes]] = [(check_govee, GOVEE), (check_gree, GREE), (check_wiz, WIZ)]


@given(st.sampled_from([GOVEE, GREE, WIZ]).flatmap(damaged))
def test_fuzz(data: bytes) -> None:
    for check, _ in CHECKS:
        outcome(check, data)


@pytest.mark.parametrize(("check", "data"), CHECKS)
def test_requests(check: Check, data: bytes) -> None:
    assert check(data, 40000)


@pytest.mark.parametrize(
    ("check", "data"),
    [
        (check_govee, b'{"msg":{"cmd":"devStatus","data":{}}}'),
        (check_gree, b'{"t":"pack","i":0}'),
        (check_wiz, b'{"method":"setPilot","params":{"state":true}}'),
    ],
)
def test_messages_without_answers(check: Check, data: bytes) -> None:
    assert check(data, 40000) is None


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"{}", b'{"msg":1,"t":2,"method":3}'])
@pytest.mark.parametrize("check", [check for check, _ in CHECKS])
def test_other_protocols(check: Check, data: bytes) -> None:
    with pytest.raises(ParseError):
        check(data, 40000)
