"""From what is known about a connection to one answer, and the facts behind it. Pure."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from fwhelpers.cli.explain import facts
from fwhelpers.cli.explain.packets import decide_all, first_packet, overall
from fwhelpers.cli.explain.question import (
    TRANSLATED,
    Question,
    Values,
    expectation_match,
    is_connection,
    is_refusal,
)
from fwhelpers.cli.explain.rule_walk import ACCEPT, DROP, MAYBE, Decision
from fwhelpers.cli.explain.sources import State
from fwhelpers.cli.status import describe_connection, describe_expected

YES, NO, UNKNOWN = "yes", "no", "unknown"


@dataclass(slots=True)
class Answer:
    """`facts` are (topic, text) in the order of reading; texts may contain anything from the network."""

    answer: str
    reason: str
    expectation: Values | None = None
    connection: Values | None = None
    refusal: Values | None = None
    decisions: list[Decision] = field(default_factory=list)
    facts: list[tuple[str, str]] = field(default_factory=list)


#: an answer "no" would be wrong, as a rule may accept new connections to the port
_RULES_UNKNOWN = "; the rules could not be queried, and one may accept it"


def answer(question: Question, state: State, now: float | None = None) -> Answer:
    """Return whether the connection is let in, or would be. `now` is the time of day."""
    result = _decide(question, state)
    refusals = [v for v in state.refusals or () if is_refusal(question, v)]
    result.refusal = refusals[-1] if refusals else None
    if result.refusal and result.expectation is None:
        refused = _refused(result.refusal, time.time() if now is None else now)
        if result.answer == NO:
            result.reason = refused
        elif result.reason.endswith(_RULES_UNKNOWN):
            result.reason = f"{refused}{_RULES_UNKNOWN}"
    result.facts = list(facts.collect(question, state, result.expectation, result.decisions))
    return result


def _decide(question: Question, state: State) -> Answer:
    connection = next((v for v in state.entries or () if is_connection(question, v)), None)
    expectation = _find_expectation(question, state)
    if expectation is not None:
        used = [v for v in expectation["connections"] if is_connection(question, v)]
        if used:
            reason = f"the connection exists, let in by {_describe_expectation(expectation)}"
            return Answer(YES, reason, expectation, connection or used[0])
    if connection is not None:
        return Answer(YES, _existing(connection, state), expectation, connection)
    if expectation is not None:
        return _expected(question, state, expectation)
    return _unexpected(question, state)


def _find_expectation(question: Question, state: State) -> Values | None:
    matching = [
        values
        for values in state.expectations or ()
        if (expectation_match(question, values) and values["state"] == "pending")
        or any(is_connection(question, v) for v in values["connections"])
    ]
    return matching[0] if matching else None


def _existing(connection: Values, state: State) -> str:
    master = connection.get("master")
    if master is None:
        return "the connection exists; no expectation let it in, but a rule for new connections"
    helper = next(
        (v["helper"] for v in state.entries or () if v["helper"] and _same(v, master)), ""
    )
    expected = f"an expectation of {helper}" if helper else "an expectation"
    return f"the connection exists, let in by {expected}, created by {describe_connection(master)}"


def _same(connection: Values, master: Values) -> bool:
    keys = ("transport", "source", "source_port", "destination", "destination_port")
    return all(connection[key] == master[key] for key in keys)


def _expected(question: Question, state: State, expectation: Values) -> Answer:
    text = _describe_expectation(expectation)
    if expectation_match(question, expectation) == TRANSLATED:
        arrives = describe_expected(expectation)
        text += f"; it arrives as {arrives}, then NAT changes the destination"
    decisions = decide_all(state, first_packet(question, state, expectation))
    if not decisions and state.ruleset is None:
        return Answer(YES, f"{text}, if your rules accept related connections", expectation)
    action = overall(decisions)
    if action == ACCEPT:
        return Answer(YES, text, expectation, decisions=decisions)
    where = facts.describe_decision(next(d for d in decisions if d.action == action))
    if action == DROP:
        return Answer(NO, f"{text} matches, but {where}", expectation, decisions=decisions)
    return Answer(UNKNOWN, f"{text} matches, but {where}", expectation, decisions=decisions)


def _describe_expectation(values: Values) -> str:
    age = ""
    if "timeout" in values and values["state"] == "pending":
        age = f" {max(0, values['timeout'] - values['remaining'])} s ago"
    announcement = f" ({values['announcement']})" if values.get("announcement") else ""
    rest = f", {values['remaining']} s left" if values["state"] == "pending" else ""
    master = describe_connection(values["master"])
    return f"expectation of {values['helper']}, created{age} by {master}{announcement}{rest}"


def _unexpected(question: Question, state: State) -> Answer:
    decisions = decide_all(state, first_packet(question, state, None))
    reason = _why_not(question, state)
    if state.ruleset is None:
        if state.expectations is None:
            return Answer(UNKNOWN, "expectations and rules could not be queried; run as root")
        return Answer(UNKNOWN, f"{reason}{_RULES_UNKNOWN}")
    action = overall(decisions)
    if action == ACCEPT:
        where = facts.describe_accept(decisions)
        return Answer(YES, f"no expectation is needed: {where}", decisions=decisions)
    if action == MAYBE:
        where = facts.describe_decision(next(d for d in decisions if d.action == MAYBE))
        return Answer(UNKNOWN, f"{reason}, and {where}", decisions=decisions)
    if state.expectations is None:
        return Answer(UNKNOWN, "expectations could not be queried", decisions=decisions)
    return Answer(NO, reason, decisions=decisions)


def _why_not(question: Question, state: State) -> str:
    if state.service == {}:
        return "no expectation, because the service is not running"
    enabled = [h for h in state.helpers if h["enabled"]]
    if state.service and not enabled:
        return "no expectation, because no helper is enabled"
    control = next((h for h in enabled if _is_control(question, h)), None)
    if control is not None:
        return (
            f"this would be a control connection of {control['name']}, which helpers do not let in;"
            " a rule must accept it"
        )
    if state.entries is None:
        return "no expectation"
    if not any(facts.controls(question, state)):
        return "no expectation, and no control connection with a helper between these hosts"
    return "no expectation; the control connection has not announced this port"


def _is_control(question: Question, helper: dict[str, Any]) -> bool:
    return question.port in helper["ports"] and question.transport in helper["transports"]


def _refused(refusal: Values, now: float) -> str:
    ago = f" {max(0, round(now - refusal['time']))} s ago" if "time" in refusal else ""
    rule = f" ({refusal['rule']})" if refusal.get("rule") else ""
    announcement = refusal["announcement"] or "the announcement"
    return f"{refusal['helper']} refused {announcement}{ago}: {refusal['reason']}{rule}"


def lines(result: Answer) -> Iterator[str]:
    """Yield the lines of the report; they are not safe for a terminal yet."""
    yield f"{result.answer}: {result.reason}"
    yield from (f"{topic}: {text}" for topic, text in result.facts)
