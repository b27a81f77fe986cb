"""`fwhelpers explain`: which rule, zone, helper and expectation lets a connection in, or why not.

`sources` asks the service over D-Bus, and as root the kernel. The rest is pure: `question` compares
expectations, connections and refusals with the question, `matching` and `rule_walk` follow its first
packet through the ruleset, `answer` and `facts` write the report.
"""

from __future__ import annotations

import argparse
from typing import Any

from fwhelpers.cli.common import print_json
from fwhelpers.cli.errors import UsageError
from fwhelpers.cli.explain.answer import NO, UNKNOWN, YES, Answer, answer, lines
from fwhelpers.cli.explain.question import Question
from fwhelpers.cli.explain.rule_walk import Decision
from fwhelpers.cli.explain.sources import State, collect
from fwhelpers.cli.printable import printable
from fwhelpers.kernel.transports import PORTLESS

STATUS = {YES: 0, NO: 3, UNKNOWN: 4}


def explain(arguments: argparse.Namespace) -> int:
    """Print the answer and its facts; the exit status is the answer's."""
    question = _question(arguments)
    if question.source.version != question.destination.version:
        raise UsageError("SRC and DST must both be IPv4 or both IPv6 addresses")
    state = collect(question)
    result = answer(question, state)
    if arguments.json:
        print_json(to_json(result, state))
    else:
        for line in lines(result):
            print(printable(line))
    return STATUS[result.answer]


def _question(arguments: argparse.Namespace) -> Question:
    has_ports = arguments.l4 not in PORTLESS
    if has_ports and arguments.port is None:
        raise UsageError(f"{arguments.l4} needs PORT", "fwhelpers explain SRC DST PORT")
    if not has_ports and (arguments.port, arguments.sport) != (None, None):
        raise UsageError(
            f"{arguments.l4} has no ports", f"fwhelpers explain SRC DST --l4 {arguments.l4}"
        )
    source_port = arguments.sport if has_ports else None
    hosts = arguments.source, arguments.destination
    return Question(*hosts, arguments.port or 0, arguments.l4, source_port)


def to_json(result: Answer, state: State) -> dict[str, Any]:
    """Return the report as plain data."""
    return {
        "answer": result.answer, "reason": result.reason,
        "expectation": result.expectation, "connection": result.connection,
        "refusal": result.refusal, "rules": list(map(_decision, result.decisions)),
        "facts": [{"topic": topic, "text": text} for topic, text in result.facts],
        "not_queried": state.not_queried,
    }  # fmt: skip


def _decision(decision: Decision) -> dict[str, Any]:
    family, table, chain = decision.chain
    steps = [{"action": s.action, "chain": s.chain[2], "rule": s.rule} for s in decision.steps]
    return {
        "family": family, "table": table, "chain": chain, "action": decision.action, "steps": steps,
    }  # fmt: skip
