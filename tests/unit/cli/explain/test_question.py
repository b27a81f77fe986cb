"""Which expectations, connections and refusals concern the connection that is asked about."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest
from cli_explain import EXPECTATION, MASTER, REFUSAL

from fwhelpers.cli.explain.question import (
    DIRECT,
    TRANSLATED,
    Question,
    expectation_match,
    is_between,
    is_connection,
    is_near,
    is_refusal,
)


def ask(source: str, destination: str, port: int, l4: str = "tcp", sport: int | None = None) -> Question:  # fmt: skip
    return Question(ip_address(source), ip_address(destination), port, l4, sport)


DATA = ask("10.0.1.2", "10.0.2.2", 40021)
NETWORK = {"source": "10.0.1.0", "source_mask": "255.255.255.0"}
ESP = {"transport": "esp", "destination_port": 0}
BEHIND = {"destination": "10.0.1.1", "nat": {"address": "10.0.2.2", "port": 40021}}


@pytest.mark.parametrize(
    ("question", "changes", "match"),
    [
        (DATA, {}, DIRECT),
        (ask("10.0.1.3", "10.0.2.2", 40021), {}, ""),
        (ask("10.0.1.3", "10.0.2.2", 40021), NETWORK, DIRECT),
        (ask("10.0.2.3", "10.0.2.2", 40021), NETWORK, ""),
        (ask("10.0.1.2", "10.0.2.2", 40022), {}, ""),
        (ask("10.0.1.2", "10.0.2.3", 40021), {}, ""),
        (ask("10.0.1.2", "10.0.2.2", 40021, "udp"), {}, ""),
        (ask("fd01::2", "fd02::2", 40021), {}, ""),
        (ask("10.0.1.2", "10.0.2.2", 40021, sport=5), {}, DIRECT),
        (ask("10.0.1.2", "10.0.2.2", 40021, sport=5), {"source_port_mask": 65535, "source_port": 6}, ""),
        (ask("10.0.1.2", "10.0.2.2", 40021, sport=6), {"source_port_mask": 65535, "source_port": 6}, DIRECT),
        (DATA, {"flags": ["inactive"]}, ""),
        (DATA, BEHIND, TRANSLATED),
        (ask("10.0.1.2", "10.0.1.1", 40021), BEHIND, DIRECT),
        (ask("10.0.1.2", "10.0.2.2", 0, "esp"), ESP, DIRECT),
        (ask("10.0.1.2", "10.0.2.2", 4500, "udp"), ESP, ""),
    ],
)  # fmt: skip
def test_expectations(question: Question, changes: dict[str, Any], match: str) -> None:
    assert expectation_match(question, {**EXPECTATION, **changes}) == match


def test_expectations_that_nearly_match() -> None:
    assert is_near(ask("10.0.1.2", "10.0.2.2", 1), EXPECTATION)
    assert is_near(ask("10.0.1.9", "10.0.2.2", 40021), EXPECTATION)
    assert is_near(ask("10.0.1.2", "10.0.2.2", 1), {**EXPECTATION, **BEHIND})
    assert not is_near(ask("10.0.1.9", "10.0.2.2", 1), EXPECTATION)


CONNECTION = {
    **MASTER, "source_port": 50000, "destination": "10.0.1.1", "destination_port": 40021,
    "reply_source": "10.0.2.2", "reply_source_port": 40021,
    "reply_destination": "10.0.2.1", "reply_destination_port": 50000,
}  # fmt: skip


@pytest.mark.parametrize(
    ("question", "same"),
    [
        (ask("10.0.1.2", "10.0.1.1", 40021), True),
        (ask("10.0.1.2", "10.0.2.2", 40021), True),  # behind DNAT
        (ask("10.0.2.1", "10.0.2.2", 40021), True),  # as the server sees it
        (ask("10.0.1.2", "10.0.1.1", 40021, sport=50000), True),
        (ask("10.0.1.2", "10.0.1.1", 40021, sport=50001), False),
        (ask("10.0.1.2", "10.0.1.1", 40021, "udp"), False),
        (ask("10.0.1.2", "10.0.1.1", 40022), False),
        (ask("10.0.2.2", "10.0.1.2", 50000), False),
    ],
)
def test_connections(question: Question, same: bool) -> None:
    assert is_connection(question, CONNECTION) is same


def test_both_hosts_are_ends_of_a_control_connection() -> None:
    assert is_between(ask("10.0.2.2", "10.0.1.2", 5), MASTER)
    assert is_between(ask("10.0.1.2", "10.0.2.2", 5), CONNECTION)
    assert not is_between(ask("10.0.1.2", "10.0.2.9", 5), CONNECTION)


def test_refusals_name_the_endpoint_to_one_of_the_hosts() -> None:
    assert is_refusal(ask("10.0.2.2", "10.0.1.2", 22), REFUSAL)
    assert not is_refusal(ask("10.0.2.9", "10.0.1.2", 22), REFUSAL)
    assert not is_refusal(ask("10.0.2.2", "10.0.1.2", 23), REFUSAL)
    six = {"endpoint": "[fd01::2]:22", "client": "[fd01::2]:1", "server": "[fd02::2]:21"}
    assert is_refusal(ask("fd02::2", "fd01:0::2", 22), six)
