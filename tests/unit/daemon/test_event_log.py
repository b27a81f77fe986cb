from __future__ import annotations

import logging
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwhelpers.daemon.event_log import (
    BURST,
    SHARE,
    TOTAL,
    WINDOW,
    EventLog,
    Source,
    Throttle,
    sentence,
)
from fwhelpers.worker.messages import (
    Counters,
    FlowReport,
    Problem,
    ReportKind,
    SandboxGaps,
    Suppressed,
)

QUEUE = 1000
REFUSAL = FlowReport(
    ReportKind.REFUSED, "ftp", "10.0.1.2:4000", "10.0.2.2:21", "tcp", "below 1024", "G6", "",
    "10.0.2.2:22",
)  # fmt: skip
EXPECTED = replace(
    REFUSAL, kind=ReportKind.EXPECTED, expected="tcp 10.0.1.2 → 10.0.2.2:9 for 60 s, once"
)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_refusal_has_its_level_text_and_fields(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    EventLog().write(QUEUE, REFUSAL)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage().endswith("refused 10.0.2.2:22: below 1024 (G6)")
    assert record.__dict__["fields"]["EVENT"] == "refused"
    assert record.__dict__["fields"]["HELPER"] == "ftp"
    assert record.__dict__["fields"]["RULE"] == "G6"


def test_a_helper_has_its_name_in_the_configuration(caplog: pytest.LogCaptureFixture) -> None:
    event_log = EventLog(lambda name: name.removeprefix("fw-"))
    event_log.write(QUEUE, replace(REFUSAL, helper="fw-ftp"))
    (record,) = caplog.records
    assert record.getMessage().startswith("ftp: ")
    assert record.__dict__["fields"]["HELPER"] == "ftp"


def test_a_client_that_renews_does_not_fill_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """A worker reports all renewals, up to a thousand a second."""
    caplog.set_level(logging.INFO)
    event_log = EventLog()
    for port in range(1000):
        client = f"10.0.1.2:{1024 + port}"
        event_log.write(QUEUE, replace(EXPECTED, kind=ReportKind.RENEWED, client=client))
    event_log.close()
    assert len(caplog.records) == BURST + 1
    assert caplog.records[-1].getMessage().endswith("995 more renewed events suppressed")


def test_every_expectation_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    event_log = EventLog()
    for _ in range(100):
        event_log.write(QUEUE, EXPECTED)
    assert len(caplog.records) == 100
    assert "expecting tcp 10.0.1.2 → 10.0.2.2:9 for 60 s, once" in caplog.text


def test_refusals_of_one_client_are_summed_up(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    event_log = EventLog(clock=clock)
    for port in range(1000):
        event_log.write(QUEUE, replace(REFUSAL, client=f"10.0.1.2:{port}"))
    event_log.write(QUEUE, replace(REFUSAL, client="10.0.1.3:1"))
    assert len(caplog.records) == BURST + 1
    clock.now += WINDOW
    event_log.write(QUEUE, replace(REFUSAL, client="10.0.1.2:7"))
    assert f"ftp: 10.0.1.2: {1000 - BURST} more refused events suppressed" in caplog.text
    for _ in range(7):
        event_log.write(QUEUE, replace(REFUSAL, client="[fd01::2]:7"))
    event_log.close()
    assert f"ftp: fd01::2: {7 - BURST} more refused events suppressed" in caplog.text


def test_messages_about_no_flow(caplog: pytest.LogCaptureFixture) -> None:
    event_log = EventLog()
    event_log.write(QUEUE, SandboxGaps(("Landlock unavailable: not in this kernel",)))
    event_log.write(QUEUE, Problem("helper x is no longer installed"))
    event_log.write(QUEUE, Suppressed(7))
    event_log.write(QUEUE, Counters({}))
    assert caplog.messages == [
        "worker 1000: sandbox incomplete: Landlock unavailable: not in this kernel",
        "worker 1000: helper x is no longer installed",
        "worker 1000: 7 events suppressed (rate limit)",
    ]


def test_sentences() -> None:
    report = FlowReport(
        ReportKind.REFUSED, "fw-ftp", "c", "s", "tcp", "below 1024", "G6", "PORT", "e:22"
    )
    assert sentence(report, "ftp") == "ftp: c → s: refused PORT e:22: below 1024 (G6)"
    expected = replace(report, kind=ReportKind.EXPECTED, expected="6 port 9")
    assert sentence(expected, "ftp") == "ftp: c → s: expecting PORT 6 port 9"
    renewed = replace(expected, kind=ReportKind.RENEWED)
    assert sentence(renewed, "ftp") == "ftp: c → s: renewed PORT 6 port 9"
    failed = replace(report, kind=ReportKind.FAILED)
    assert sentence(failed, "ftp") == "ftp: c → s: failed: below 1024"


@given(st.lists(st.tuples(st.integers(0, 5), st.floats(0, 30))))
def test_every_line_is_written_or_counted(events: list[tuple[int, float]]) -> None:
    clock = Clock()
    throttle = Throttle(clock)
    written = suppressed = 0
    for client, delay in events:
        clock.now += delay
        suppressed += sum(count for _, count in throttle.expire())
        written += throttle.admit(Source(ReportKind.REFUSED, "ftp", str(client)))
    suppressed += sum(count for _, count in throttle.drain())
    assert written + suppressed == len(events)


@pytest.mark.parametrize(("helpers", "lines"), [(1, SHARE), (10, TOTAL)])
def test_forged_sources_cause_a_bounded_number_of_lines(
    caplog: pytest.LogCaptureFixture, helpers: int, lines: int
) -> None:
    clock = Clock()
    event_log = EventLog(clock=clock)
    for number in range(10_000):
        client = f"10.{number // 256}.{number % 256}.1:9"
        event_log.write(QUEUE, replace(REFUSAL, client=client, helper=f"h{number % helpers}"))
    assert len(caplog.records) == lines
    assert len(event_log._throttle._lines) <= lines + helpers
    event_log.close()
    assert len(caplog.records) == lines + helpers, "a summary for each helper"


def test_a_flood_of_one_helper_leaves_room_for_the_others(caplog: pytest.LogCaptureFixture) -> None:
    event_log = EventLog(clock=Clock())
    for number in range(1000):
        event_log.write(QUEUE, replace(REFUSAL, client=f"[fd01::{number:x}]:1", helper="ssdp"))
    event_log.write(QUEUE, REFUSAL)
    assert "ftp: 10.0.1.2:4000" in caplog.text
    event_log.close()
    assert f"ssdp: other hosts: {1000 - SHARE} more refused events suppressed" in caplog.text
