from __future__ import annotations

import json

import pytest
from entries import account, enter, owner

from fwhelpers.engine.expectation_record import account_from, from_plain, plain_account, to_plain
from fwhelpers.engine.registry import Account, LiveExpectation, Registry


def live() -> LiveExpectation:
    registry = Registry()
    enter(registry, until=1800, kernel_end=1800)
    return enter(
        registry, by=owner(port=2), on=account(1), since=5, until=35, kernel_end=1860, klass=3
    )


def test_a_live_expectation_survives_as_json() -> None:
    assert live().former is not None
    assert from_plain(json.loads(json.dumps(to_plain(live())))) == live()


@pytest.mark.parametrize("of", [account(1), account(1)._replace(zone=7, answerer=bytes(4))])
def test_an_account_survives_as_json(of: Account) -> None:
    assert account_from(json.loads(json.dumps(plain_account(of)))) == of


@pytest.mark.parametrize("zone", [0, -1, 65536, True, "1", None, 1.0])
def test_a_zone_that_cannot_be_is_refused(zone: object) -> None:
    with pytest.raises(ValueError, match="integer"):
        account_from([*plain_account(account(1)), zone])
    with pytest.raises(ValueError, match="not a list"):
        account_from([*plain_account(account(1)), 1, 1])


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("claim", None),
        ("claim", [0, [], 0, [], 0, 0]),
        ("former", [1]),
        ("kernel_end", "soon"),
        ("kernel_end", float("inf")),
        ("expectation", [0] * 10),
    ],
)
def test_malformed_fields_are_refused(field: str, value: object) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - all are reported alike
        from_plain(to_plain(live()) | {field: value})


def test_addresses_of_two_families_are_refused() -> None:
    plain = to_plain(live())
    plain["expectation"][3] = ["ff" * 16, "ff" * 16, 6, 0, 65535]
    with pytest.raises(ValueError, match="two families"):
        from_plain(plain)


def test_an_account_needs_an_address() -> None:
    plain = to_plain(live())
    plain["claim"][3] = ["ftp", "0a", ""]
    with pytest.raises(ValueError, match="not an address"):
        from_plain(plain)


@pytest.mark.parametrize("l4", [0, 1, 47, 132, 255])
def test_a_protocol_that_is_never_expected_is_refused(l4: int) -> None:
    plain = to_plain(live())
    plain["expectation"][2][2] = l4
    with pytest.raises(ValueError, match="never expected"):
        from_plain(plain)
