"""What a worker reports to its supervisor: one class for each kind of message.

A message is a line of JSON, `{"KIND": VALUE}`; a datagram has one or several. A worker parses hostile bytes and may
have been taken over, so `decode` trusts nothing that it reads.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from fwhelpers.engine import untrusted
from fwhelpers.engine.expectation_key import ExpectationId, ExpectationKey
from fwhelpers.engine.expectation_record import account_from, plain_account
from fwhelpers.engine.registry import NO_ACCOUNT, Account
from fwhelpers.engine.untrusted import conntrack_tuple, integer, items, mapping, plain_tuple, text

MAX_HELPERS = 1024  #: with counters in one message
MAX_NAME = 64  #: characters of a helper's or a counter's name
MAX_COUNT = 1 << 48  #: sums of these over many workers fit D-Bus's 64 bits
MAX_GAPS = 16
MAX_MESSAGES = 64  #: in a datagram

_encode = json.JSONEncoder(separators=(",", ":")).encode


class ReportKind(StrEnum):
    """What happened to a flow."""

    EXPECTED = "expected"
    RENEWED = "renewed"
    REFUSED = "refused"
    POISONED = "poisoned"
    DONE = "done"
    DROPPED = "dropped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Ready:
    """The worker has applied its configuration and serves its queue."""

    pid: int


@dataclass(frozen=True, slots=True)
class Counters:
    """Totals since the worker started: kernel name of the helper -> kind of report -> number."""

    totals: Mapping[str, Mapping[str, int]]


@dataclass(slots=True)
class FlowReport:
    """What happened to one flow, with its addresses as text."""

    kind: ReportKind
    helper: str  #: its name in the kernel
    client: str
    server: str
    l4: str
    reason: str = ""
    rule: str = ""  #: the safety rule that refused ("G5")
    trigger: str = ""  #: the announcing message ("PASV")
    endpoint: str = ""  #: the refused endpoint
    expected: str = ""  #: the expectation in words
    interface: int = 0  #: index of the interface by which the announcement came; 0: unknown
    timeout: int = 0  #: seconds for which the expectation is created
    account: Account = NO_ACCOUNT  #: whose quota the expectation counts on
    expectation: ExpectationId | None = None


@dataclass(frozen=True, slots=True)
class Suppressed:
    """Number of reports that were counted but not sent."""

    count: int


@dataclass(frozen=True, slots=True)
class Problem:
    """Something went wrong that concerns no flow."""

    text: str


@dataclass(frozen=True, slots=True)
class SandboxGaps:
    """The parts of the sandbox that this system lacks, each with the reason."""

    gaps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Restarted:
    """A worker ended and is replaced. Comes from the supervisor; never decoded."""

    reason: str


Message = Ready | Counters | FlowReport | Suppressed | Problem | SandboxGaps


def encode(*messages: Message) -> bytes:
    """Return a datagram of messages."""
    return b"\n".join(_encode({kind: value}).encode() for kind, value in map(_plain, messages))


def _plain(message: Message) -> tuple[str, object]:
    if isinstance(message, FlowReport):  # most of them
        return "report", _plain_report(message)
    match message:
        case Ready(pid):
            return "ready", pid
        case Counters(totals):
            return "counters", {helper: dict(counts) for helper, counts in totals.items()}
        case Suppressed(count):
            return "suppressed", count
        case Problem(problem):
            return "problem", problem
        case SandboxGaps(gaps):
            return "sandbox-gaps", gaps


def _plain_report(report: FlowReport) -> dict[str, Any]:
    return {
        "kind": report.kind,
        "helper": report.helper,
        "client": report.client,
        "server": report.server,
        "l4": report.l4,
        "reason": report.reason,
        "rule": report.rule,
        "trigger": report.trigger,
        "endpoint": report.endpoint,
        "expected": report.expected,
        "interface": report.interface,
        "timeout": report.timeout,
        "account": plain_account(report.account),
        "expectation": _plain_id(report.expectation),
    }


def split(datagram: bytes) -> list[bytes]:
    """Return the messages of a datagram, for `decode`. Raises ValueError if it has too many."""
    lines = datagram.split(b"\n", MAX_MESSAGES)
    if len(lines) > MAX_MESSAGES:
        raise ValueError("too many messages in a datagram")
    return lines


def decode(data: bytes) -> Message:
    """Read a worker's message. Raises ValueError for anything that `encode` does not write."""
    fields = mapping(untrusted.load(data))
    if len(fields) != 1:
        raise ValueError("not one message")
    ((kind, value),) = fields.items()
    decoder = _DECODERS.get(kind)
    if decoder is None:
        raise ValueError(f"unknown kind of message {kind[:20]!a}")
    return decoder(value)


_TEXTS = ("client", "server", "l4", "reason", "rule", "trigger", "endpoint", "expected")
_NUMBERS = ("interface", "timeout")
_REPORT_FIELDS = {"kind", "helper", *_TEXTS, *_NUMBERS, "account", "expectation"}


def _counters(value: object) -> Counters:
    helpers = mapping(value)
    if len(helpers) > MAX_HELPERS:
        raise ValueError("too many helpers")
    return Counters(
        {
            text(helper, MAX_NAME): {
                str(ReportKind(kind)): integer(count, MAX_COUNT)
                for kind, count in mapping(counts).items()
            }
            for helper, counts in helpers.items()
        }
    )


def _flow_report(value: object) -> FlowReport:
    fields = mapping(value)
    if fields.keys() != _REPORT_FIELDS:
        raise ValueError("a report lacks a field, or has another")
    checked: dict[str, Any] = {name: text(fields[name]) for name in _TEXTS}
    checked |= {name: integer(fields[name], 0xFFFFFFFF) for name in _NUMBERS}
    return FlowReport(
        kind=ReportKind(text(fields["kind"], MAX_NAME)),
        helper=text(fields["helper"], MAX_NAME),
        account=account_from(fields["account"]),
        expectation=_expectation_id(fields["expectation"]),
        **checked,
    )


def _gaps(value: object) -> SandboxGaps:
    gaps = items(value)
    if len(gaps) > MAX_GAPS:
        raise ValueError("too many gaps")
    return SandboxGaps(tuple(text(gap) for gap in gaps))


_DECODERS: dict[str, Callable[[object], Message]] = {
    "ready": lambda value: Ready(integer(value)),
    "counters": _counters,
    "report": _flow_report,
    "suppressed": lambda value: Suppressed(integer(value, MAX_COUNT)),
    "problem": lambda value: Problem(text(value)),
    "sandbox-gaps": _gaps,
}


def _plain_id(expectation: ExpectationId | None) -> list[Any] | None:
    if expectation is None:
        return None
    (zone, expected, mask), master = expectation
    return [zone, *map(plain_tuple, (expected, mask, master))]


def _expectation_id(value: object) -> ExpectationId | None:
    if value is None:
        return None
    zone, *tuples = items(value, 4)
    expected, mask, master = map(conntrack_tuple, tuples)
    return ExpectationId(ExpectationKey(integer(zone, 65535), expected, mask), master)
