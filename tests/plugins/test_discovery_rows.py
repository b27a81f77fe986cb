"""The rows: requests of real programs match, other datagrams on the same port do not."""

from __future__ import annotations

import itertools

import pytest
from discovery_messages import CASES, PROBE
from fwhelpers_plugins.discovery import fwhelpers_helpers
from hypothesis import given
from hypothesis import strategies as st

from fwhelpers.api import Endpoint, Event, Expect, Flow, ParseError
from fwhelpers.plugin.validation import validate

HELPERS = {helper.name: helper for helper in fwhelpers_helpers()}


def events_of(name: str, data: bytes, reply: bool = False) -> list[Event]:
    helper = HELPERS[name]
    six = helper.families == (6,)
    sport = 546 if name == "dhcpv6" else 40000
    client = Endpoint.parse("fe80::2" if six else "10.0.1.2", sport)
    server = Endpoint.parse("ff02::1:2" if six else "239.255.255.250", helper.ports[0])
    return list(helper.parser_for("udp")(Flow("udp", client, server), {}).feed(data, reply))


def test_every_row_has_a_case() -> None:
    assert set(HELPERS) == set(CASES)


@pytest.mark.parametrize("name", HELPERS)
def test_declaration(name: str) -> None:
    assert list(validate(HELPERS[name])) == []
    assert HELPERS[name].doc


@pytest.mark.parametrize("name", CASES)
def test_request(name: str) -> None:
    events = events_of(name, CASES[name][0])
    assert len(events) == 1
    (event,) = events
    assert isinstance(event, Expect)
    row = HELPERS[name].extra["row"]
    port = HELPERS[name].ports[0] if row.reply_port == "same" else row.reply_port
    assert event.sport == (None if port == "any" or row.announces else port)
    assert event.l4 == ("tcp" if row.announces else "udp")
    assert event.sources
    assert 1 <= (event.timeout or 0) <= HELPERS[name].policies[0].timeout


@pytest.mark.parametrize("name", sorted(set(CASES) - {"netbios-ns"}))  # it wants no answers either
def test_the_filter_admits_what_the_validator_accepts(name: str) -> None:
    """The signature filters early; what it lacks no validator sees."""
    row = HELPERS[name].extra["row"]
    request, sport = CASES[name][0], 546 if name == "dhcpv6" else 40000
    for at, byte in itertools.product(range(min(len(request), 16)), range(256)):
        changed = request[:at] + bytes((byte,)) + request[at + 1 :]
        try:
            accepts = row.validator is not None and row.validator(changed, sport) is not None
        except ParseError:
            continue
        assert not accepts or row.matches(changed, sport), changed[:16]


@pytest.mark.parametrize("name", CASES)
def test_other_datagrams(name: str) -> None:
    assert not events_of(name, CASES[name][1])


@pytest.mark.parametrize("name", CASES)
def test_the_reply_direction_opens_nothing(name: str) -> None:
    assert not events_of(name, CASES[name][0], reply=True)


@pytest.mark.parametrize("name", CASES)
def test_truncated_requests(name: str) -> None:
    request = CASES[name][0]
    low, _ = HELPERS[name].extra["row"].size
    for size in range(min(low, len(request))):
        assert not events_of(name, request[:size])


@given(st.sampled_from(sorted(CASES)), st.binary(max_size=400))
def test_any_bytes(name: str, data: bytes) -> None:
    try:
        events = events_of(name, data)
    except ParseError:
        return
    for event in events:
        if isinstance(event, Expect):
            assert event.server.addr in (
                Endpoint.parse("10.0.1.2").addr,
                Endpoint.parse("fe80::2").addr,
            )


def test_windows_are_short() -> None:
    """Safety rule G10: at most 30 seconds, except where people or retransmissions (RFC 8415 §7.6) take longer."""
    longer = {"dhcpv6": 120, "localsend": 600}
    for name, helper in HELPERS.items():
        assert helper.policies[0].timeout <= longer.get(name, 30)


def test_govee_answers_to_a_port_of_its_own() -> None:
    (event,) = events_of("govee", CASES["govee"][0])
    assert isinstance(event, Expect)
    assert event.server.port == 4002


@pytest.mark.parametrize("prefix", [b"e", b"SOAP-ENV", b"x1"])
def test_wsd_with_any_prefix(prefix: bytes) -> None:
    assert events_of("wsd", PROBE.replace(b"soap:", prefix + b":"))


def test_hplip_asks_in_slp_version_1() -> None:
    assert "224.0.1.60" in HELPERS["slp"].groups
    strings = b"\0\0\0\x18service:x-hpnp-discover:\0\0\0\0"
    assert events_of("slp", b"\1\6\0\x2c\0\0en\0\3\x12\x34" + strings)


@pytest.mark.parametrize("function", [0x0B, 0x0A, 0x09])
def test_bacnet_requests_to_all(function: int) -> None:
    request, _ = CASES["bacnet"]
    assert events_of("bacnet", request[:1] + bytes((function,)) + request[2:])


def test_groups_of_ipv6() -> None:
    assert {"ff02::176", "ff05::176"} <= set(HELPERS["hdhomerun"].groups)
    assert {"ff02::bac0", "ff05::bac0"} <= set(HELPERS["bacnet"].groups)
