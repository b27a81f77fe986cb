"""What the service has announced on this gateway, as `takeover` compares it with the kernel's list."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from fwhelpers.cli import announced
from fwhelpers.cli.bus_errors import NotRunning
from fwhelpers.engine.expectation_key import identity_of
from fwhelpers.events.serialize import ends, masked
from fwhelpers.kernel.conntrack import Tuple
from fwhelpers.kernel.expect import Expectation, mask_for

C, S = bytes((10, 0, 1, 2)), bytes((10, 0, 2, 2))
MASTER = Tuple(C, S, 6, 40000, 21)
TO_CLIENT = Tuple(S, C, 6, 0, 5000)
PLAIN = Expectation(MASTER, TO_CLIENT, mask_for(TO_CLIENT))
RANGE = replace(PLAIN, mask=mask_for(TO_CLIENT, prefix=24), zone=3)
CARRIED = replace(PLAIN, tuple=TO_CLIENT._replace(sport=5001))
FROM_PORT = Expectation(MASTER, TO_CLIENT._replace(sport=20), mask_for(TO_CLIENT, sport=0xFFFF))
ESP_TUPLE = Tuple(S, C, 50, 0, 0)
ESP = Expectation(MASTER, ESP_TUPLE, mask_for(ESP_TUPLE))
SIX = Tuple(bytes(15) + b"\1", bytes(15) + b"\2", 17, 0, 5000)
OVER_SIX = Expectation(SIX._replace(sport=1), SIX, mask_for(SIX, prefix=64))


def row(expectation: Expectation, **more: Any) -> dict[str, Any]:
    return {
        "announcement": "PASV", "state": "pending", "zone": expectation.zone,
        **masked(expectation), "master": ends(expectation.master), **more,
    }  # fmt: skip


@pytest.mark.parametrize(
    "expectation", [PLAIN, RANGE, CARRIED, FROM_PORT, ESP, OVER_SIX],
    ids=["plain", "range", "carried", "from-port", "esp", "ipv6"],
)  # fmt: skip
def test_the_identity_survives_the_way_over_dbus(expectation: Expectation) -> None:
    assert announced.identity(row(expectation)) == identity_of(expectation)


def test_only_pending_ones_of_a_worker_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """conntrackd's have no announcement, and those of protocols that we never expect are not ours."""
    rows = [
        row(PLAIN), row(RANGE, announcement=""), row(FROM_PORT, state="matched"),
        row(PLAIN, transport="132"),
    ]  # fmt: skip
    monkeypatch.setattr(announced, "ask", lambda scenario, interactive: rows)
    assert announced.announced() == {identity_of(PLAIN)}


def test_without_a_service(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(scenario: object, interactive: bool) -> None:
        raise NotRunning("no bus")

    monkeypatch.setattr(announced, "ask", fail)
    assert announced.announced() == frozenset()


def test_a_service_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hang(service: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(announced, "TIMEOUT", 0.01)
    monkeypatch.setattr(announced, "list_expectations", hang)
    monkeypatch.setattr(announced, "ask", lambda scenario, interactive: asyncio.run(scenario(None)))
    assert announced.announced() == frozenset()
