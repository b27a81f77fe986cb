"""`fwhelpers explain` with the service on a bus."""

from __future__ import annotations

import os
from contextlib import nullcontext
from ipaddress import ip_address

import pyroute2
import pytest
from message_bus import MessageBus, Program, Starter

from fwhelpers.cli.explain import sources
from fwhelpers.cli.explain.answer import UNKNOWN, YES, answer
from fwhelpers.cli.explain.question import Question
from fwhelpers.cli.explain.sources import State, collect
from fwhelpers.kernel.nfnl import NetlinkError
from fwhelpers.kernel.nft import NftError

ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="without polkit only root is authorized")
DATA = Question(ip_address("10.0.1.2"), ip_address("10.0.2.2"), 1029)
ACTIVE = Question(ip_address("10.0.2.2"), ip_address("10.0.1.2"), 22)


class Denied:
    """A kernel that answers no unprivileged user."""

    def __init__(self) -> None:
        raise NetlinkError(1, "open a netlink socket")


class DeniedNft:
    def __init__(self) -> None:
        raise NftError("nftables: cache initialization failed: Operation not permitted")


@pytest.fixture(autouse=True)
def unprivileged(bus: MessageBus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", bus.address)
    monkeypatch.setattr(sources, "NetlinkSocket", Denied)
    monkeypatch.setattr(sources, "Nft", DeniedNft)


@ROOT_ONLY
def test_the_service_lists_expectations_and_refusals(service: Program) -> None:
    service.command(do="create", first=5, count=300)
    service.command(do="refuse")
    state = collect(DATA)
    assert len(state.expectations or ()) == 300
    result = answer(DATA, state)
    assert result.answer == YES
    assert result.reason.startswith("expectation of ftp, created ")
    assert result.reason.endswith(" s left, if your rules accept related connections")
    assert (state.not_queried["conntrack"], state.not_queried["ruleset"]) == (
        sources.ROOT,
        sources.ROOT,
    )
    assert "expectations" not in state.not_queried
    refused = answer(ACTIVE, collect(ACTIVE))
    assert refused.answer == UNKNOWN
    assert refused.reason.endswith(
        ": below 1024 (G6); the rules could not be queried, and one may accept it"
    )


def test_polkit_decides_about_addresses(start: Starter, service: Program) -> None:
    start("polkit_fake.py", "{}", line="polkit is there")
    service.command(do="create", first=5, count=1)
    state = collect(DATA)
    assert state.expectations is None
    assert state.refusals is None
    assert state.not_queried["expectations"].startswith(
        "this user may not list expectations (run as root"
    )
    assert state.not_queried["refusals"].startswith("this user may not list refusals (run as root")
    assert [helper["name"] for helper in state.helpers if helper["enabled"]] == ["ftp"]
    topics = dict(answer(DATA, state).facts)
    assert topics["service"] == "fwhelpers 9 is running, steering by rules"


def test_the_ruleset_is_asked_with_privileges_only(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sources, "has_net_admin", lambda: False)
    monkeypatch.setattr(sources, "Nft", lambda: pytest.fail("libnftables writes to stderr"))
    state = State()
    sources._ask_ruleset(state, DATA)
    assert state.not_queried == {"ruleset": "requires root"}
    assert capfd.readouterr().err == ""


def test_without_the_service() -> None:
    state = collect(DATA)
    assert state.not_queried["expectations"] == sources.ROOT
    assert state.service == {}
    assert state.absence == "the service is not running (start it: systemctl start fwhelpers)"


def test_the_kernels_own_expectations_are_added(monkeypatch: pytest.MonkeyPatch) -> None:
    from fwhelpers.kernel import conntrack, expect
    from fwhelpers.kernel.expect import Expectation, mask_for

    expected = conntrack.Tuple(bytes([10, 0, 1, 2]), bytes([10, 0, 2, 2]), 6, 0, 1029)
    master = expected._replace(sport=40000, dport=21)
    nat = expected._replace(src=bytes([10, 0, 9, 9]), sport=99)
    dumped = Expectation(
        master,
        expected,
        mask_for(expected),
        flags=expect.INACTIVE,
        nat=nat,
        helper="ftp",
        timeout=9,
    )

    def dump(request: bytes, parse: object, parts: object = ()) -> list[Expectation]:
        return [dumped] if parse is expect.parse_expectation else []

    monkeypatch.setattr(sources, "_dump", dump)
    state = State()
    sources._ask_expectations(state, DATA)
    (values,) = state.expectations or ()
    assert (values["helper"], values["remaining"], values["flags"]) == ("ftp", 9, ["inactive"])
    assert values["nat"] == {"address": "10.0.9.9", "port": 99}
    assert answer(DATA, collect(DATA)).answer == UNKNOWN  # inactive ones match nothing
    dumped.flags = 0
    assert answer(DATA, collect(DATA)).reason == (
        "expectation of ftp, created by 10.0.1.2:40000 → 10.0.2.2:21, 9 s left,"
        " if your rules accept related connections"
    )


class NoRoutes(nullcontext[None]):
    """pyroute2.IPRoute of a host without routes."""

    def __enter__(self) -> NoRoutes:  # type: ignore[override]
        return self

    def route(self, _: str, **__: str) -> None:
        raise pyroute2.NetlinkError(101)


def test_the_reason_of_a_missing_route_is_the_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pyroute2, "IPRoute", NoRoutes)
    assert collect(DATA).not_queried["route to 10.0.2.2"] == "Network is unreachable"
