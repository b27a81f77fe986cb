"""One answer from all that is known."""

from __future__ import annotations

import json
from ipaddress import ip_address
from typing import Any

import pytest
from cli_explain import EXPECTATION, HELPER, MASTER, REFUSAL

from fwhelpers.cli import explain
from fwhelpers.cli.explain.answer import NO, UNKNOWN, YES, answer, lines
from fwhelpers.cli.explain.question import Question
from fwhelpers.cli.explain.sources import State
from fwhelpers.cli.main import main

DATA = Question(ip_address("10.0.1.2"), ip_address("10.0.2.2"), 40021)
ACTIVE = Question(ip_address("10.0.2.2"), ip_address("10.0.1.2"), 22)
CONTROL = Question(ip_address("10.0.1.2"), ip_address("10.0.2.2"), 21)
BEHIND = {"destination": "10.0.1.1", "nat": {"address": "10.0.2.2", "port": 40021}}
USED = {**MASTER, "source_port": 50000, "destination_port": 40021}


def without_mark(state: State) -> None:
    """Remove the rule that depends on the packet's mark, so that answers are certain."""
    assert state.ruleset is not None
    forward = state.ruleset.rules["inet", "firewall", "forward"]
    forward[:] = [rule for rule in forward if rule["handle"] != 21]


@pytest.fixture(autouse=True)
def _certain(state: State) -> None:
    without_mark(state)


def test_an_expectation_lets_it_in(state: State) -> None:
    state.expectations = [EXPECTATION]
    result = answer(DATA, state)
    assert result.answer == YES
    assert result.reason == (
        "expectation of ftp, created 3 s ago by 10.0.1.2:41234 → 10.0.2.2:21 (PASV), 57 s left"
    )
    assert result.facts == [
        ("connection", "tcp 10.0.1.2:any → 10.0.2.2:40021"),
        ("service", "fwhelpers 9 is running, steering by rules"),
        ("helper", "ftp listens between these hosts, at tcp 21 of 10.0.2.2"),
        ("expectation", "ftp: tcp 10.0.1.2:any → 10.0.2.2:40021, pending, 57 s left"),
        ("control", "tcp 10.0.1.2:41234 → 10.0.2.2:21: helper ftp"),
        (
            "rules",
            "inet firewall forward accepts it:"
            ' ct state related ct helper "fw-ftp" tcp dport 1024-65535 accept',
        ),
    ]


def test_a_policy_that_drops_related_connections(state: State) -> None:
    assert state.ruleset is not None
    forward = state.ruleset.rules["inet", "firewall", "forward"]
    forward[:] = [rule for rule in forward if rule["handle"] != 13]
    state.expectations = [EXPECTATION]
    result = answer(DATA, state)
    assert result.answer == NO
    assert result.reason.endswith("matches, but inet firewall forward drops it: its policy")


def test_a_rule_that_may_accept(state: State, ruleset: Any) -> None:
    state.expectations = [{**EXPECTATION, "kernel_name": "other", "helper": "other"}]
    ruleset.rules["inet", "firewall", "forward"][-1]["expr"].append({"accept": None})
    ruleset.rules["inet", "firewall", "forward"][-1]["expr"].insert(0, {"limit": {"rate": 1}})
    result = answer(DATA, state)
    assert result.answer == UNKNOWN
    assert "inet firewall forward may accept or drop it (accept: log prefix" in result.reason


def test_nat_after_arrival_is_recognized(state: State) -> None:
    state.expectations = [{**EXPECTATION, **BEHIND}]
    result = answer(DATA, state)
    assert result.answer == YES
    assert result.reason.endswith(
        "57 s left; it arrives as tcp 10.0.1.2:any → 10.0.1.1:40021,"
        " then NAT changes the destination"
    )


def test_without_the_ruleset_the_answer_has_a_condition(state: State) -> None:
    state.ruleset, state.expectations = None, [EXPECTATION]
    state.not_queried["ruleset"] = "nftables: Operation not permitted"
    result = answer(DATA, state)
    assert result.answer == YES
    assert result.reason.endswith("57 s left, if your rules accept related connections")
    assert result.facts[-1] == ("not queried", "ruleset: nftables: Operation not permitted")
    assert ("helper", "ftp is enabled for tcp 21") in result.facts


@pytest.mark.parametrize("kernel", [False, True])
def test_an_existing_connection(state: State, kernel: bool) -> None:
    if kernel:
        assert state.entries is not None
        state.entries.append({**USED, "helper": "", "master": MASTER})
        reason = "an expectation of fw-ftp, created by 10.0.1.2:41234 → 10.0.2.2:21"
    else:  # an unprivileged user sees it in the service's list
        state.entries = None
        state.expectations = [{**EXPECTATION, "state": "matched", "connections": [USED]}]
        reason = "expectation of ftp, created by 10.0.1.2:41234 → 10.0.2.2:21 (PASV)"
    result = answer(DATA, state)
    assert (result.answer, result.connection["destination_port"]) == (YES, 40021)  # type: ignore[index]
    assert result.reason == f"the connection exists, let in by {reason}"


def test_an_existing_connection_without_a_helper(state: State) -> None:
    assert state.entries is not None
    state.entries = [{**USED, "helper": ""}]
    assert answer(DATA, state).reason.startswith("the connection exists; no expectation let it in")


def test_a_refused_announcement(state: State) -> None:
    state.refusals = [{**REFUSAL, "reason": "older"}, REFUSAL]
    assert state.ruleset is not None
    result = answer(ACTIVE, state, now=112.4)
    assert result.answer == NO
    assert result.reason == "ftp refused PORT 12 s ago: below 1024 (G6)"
    assert [topic for topic, _ in result.facts].count("refused") == 2


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, "no expectation; the control connection has not announced this port"),
        (
            {"entries": []},
            "no expectation, and no control connection with a helper between these hosts",
        ),
        ({"entries": None}, "no expectation"),
        ({"service": {}}, "no expectation, because the service is not running"),
        (
            {"helpers": [{**HELPER, "enabled": False}]},
            "no expectation, because no helper is enabled",
        ),
    ],
)
def test_reasons_against_it(state: State, changes: dict[str, Any], reason: str) -> None:
    for name, value in changes.items():
        setattr(state, name, value)
    result = answer(DATA, state)
    assert (result.answer, result.reason) == (NO, reason)


def test_helpers_do_not_let_in_control_connections(state: State) -> None:
    state.entries = []
    result = answer(CONTROL, state)
    assert result.answer == NO
    assert result.reason.startswith("this would be a control connection of ftp, which helpers do")


def test_a_rule_for_new_connections_needs_no_helper(state: State) -> None:
    result = answer(Question(DATA.source, DATA.destination, 22), state)
    assert result.answer == YES
    assert result.reason == (
        "no expectation is needed: inet firewall forward accepts it:"
        " tcp dport vmap { 22 : accept, 23 : drop, 6000-6010 : accept } (in services)"
    )


def test_an_unprivileged_user_without_polkit_gets_no_guess(state: State) -> None:
    state.expectations = state.refusals = state.entries = state.ruleset = None
    assert answer(DATA, state).answer == UNKNOWN


def test_a_connection_to_this_host(state: State) -> None:
    result = answer(Question(DATA.source, ip_address("10.0.1.1"), 81), state)
    assert (result.answer, result.decisions[0].chain[2]) == (YES, "input")


def run(monkeypatch: pytest.MonkeyPatch, state: State, *arguments: str) -> int:
    monkeypatch.setattr(explain, "collect", lambda question: state)
    return main(["explain", *arguments])


@pytest.mark.parametrize(
    ("arguments", "status"),
    [(("10.0.1.2", "10.0.2.2", "22"), 0), (("10.0.1.2", "10.0.2.2", "40021", "--sport", "5"), 3)],
)
def test_the_exit_status_is_the_answer(
    state: State, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], status: int,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert run(monkeypatch, state, *arguments) == status
    assert capsys.readouterr().out.startswith("yes: " if status == 0 else "no: ")


def test_the_report_as_json(
    state: State, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    state.expectations = [EXPECTATION]
    assert run(monkeypatch, state, "10.0.1.2", "10.0.2.2", "40021", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["answer"] == "yes"
    assert report["expectation"]["announcement"] == "PASV"
    (rule,) = report["rules"]
    assert (rule["chain"], rule["action"], len(rule["steps"])) == ("forward", "accept", 1)
    assert {fact["topic"] for fact in report["facts"]} >= {"service", "helper", "rules"}


def test_text_from_the_network_cannot_control_the_terminal(
    state: State, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hostile = "\x1b[2J\n\u202e"
    state.expectations = [{**EXPECTATION, "announcement": hostile, "helper": hostile}]
    state.refusals = [
        {**REFUSAL, "announcement": hostile, "reason": hostile, "endpoint": "10.0.2.2:40021",
         "server": "10.0.1.2:21"}
    ]  # fmt: skip
    run(monkeypatch, state, "10.0.1.2", "10.0.2.2", "40021")
    printed = capsys.readouterr().out.splitlines()
    assert all(line.isprintable() for line in printed)
    assert len(printed) == 1 + len(answer(DATA, state).facts)
    assert sum("\\x1b[2J\\n\\u202e" in line for line in printed) >= 3


def test_addresses_of_different_families(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "10.0.1.2", "fd02::2", "22"]) == 2
    assert "must both be IPv4 or both IPv6" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("10.0.1.2", "10.0.2.2", "65536"), "'65536' is not a port between 1 and 65535"),
        (("10.0.1.2", "example.org", "22"), "'example.org' is not an IP address"),
    ],
)
def test_usage_errors(
    arguments: tuple[str, ...], error: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["explain", *arguments])
    assert error in capsys.readouterr().err


def test_lines_begin_with_the_answer(state: State) -> None:
    first, *_ = lines(answer(DATA, state))
    assert first.startswith("no: no expectation")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (("10.0.1.2", "10.0.2.2"), "tcp needs PORT"),
        (("10.0.1.2", "10.0.2.2", "22", "--l4", "esp"), "esp has no ports"),
        (("10.0.1.2", "10.0.2.2", "--sport", "22", "--l4", "esp"), "esp has no ports"),
    ],
)
def test_only_some_transports_have_ports(
    arguments: tuple[str, ...], error: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", *arguments]) == 2
    assert capsys.readouterr().err.startswith(
        f"fwhelpers: error: {error}\nhint: fwhelpers explain "
    )


def test_a_connection_without_ports(
    state: State, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    state.expectations = [{**EXPECTATION, "transport": "esp", "destination_port": 0}]
    arguments = ("::ffff:10.0.1.2", "10.0.2.2", "--l4", "esp")
    run(monkeypatch, state, *arguments)
    out = capsys.readouterr().out
    assert "connection: esp 10.0.1.2 → 10.0.2.2\n" in out
    assert "expectation: ftp: esp 10.0.1.2 → 10.0.2.2" in out
