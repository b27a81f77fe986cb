from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fwhelpers.daemon.event_log import BURST, SENDERS, WINDOW, EventLog, Source, Throttle


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def note(kind: str = "refused", client: str = "10.0.1.2:4000") -> dict[str, dict[str, str]]:
    given = {
        "kind": kind, "helper": "ftp", "client": client, "server": "10.0.2.2:21", "reason": "below 1024",
        "rule": "G6", "what": "", "endpoint": "10.0.2.2:22", "expected": "tcp 10.0.1.2 → 10.0.2.2:9 for 60 s, once",
    }  # fmt: skip
    return {"note": given}


def test_fields(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    EventLog().write(note())
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage().endswith("refused 10.0.2.2:22: below 1024 (G6)")
    assert record.__dict__["fields"]["HELPER"] == "ftp"
    assert record.__dict__["fields"]["RULE"] == "G6"


def test_a_helper_is_called_as_in_the_configuration(caplog: pytest.LogCaptureFixture) -> None:
    book = EventLog(lambda name: name.removeprefix("fw-"))
    given = note()
    given["note"]["helper"] = "fw-ftp"
    book.write(given)
    (record,) = caplog.records
    assert record.getMessage().startswith("ftp: ")
    assert record.__dict__["fields"]["HELPER"] == "ftp"
    assert given["note"]["helper"] == "fw-ftp", "others read it too"


def test_every_hole_is_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    book = EventLog()
    for _ in range(100):
        book.write(note("expected"))
    assert len(caplog.records) == 100
    assert "expecting tcp 10.0.1.2 → 10.0.2.2:9 for 60 s, once" in caplog.text


def test_refusals_are_summed_up(caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    book = EventLog(clock=clock)
    for port in range(1000):
        book.write(note(client=f"10.0.1.2:{port}"))
    book.write(note(client="10.0.1.3:1"))
    assert len(caplog.records) == BURST + 1
    clock.now += WINDOW
    book.write(note(client="10.0.1.2:7"))
    assert f"ftp: 10.0.1.2: {1000 - BURST} more refused like the last ones" in caplog.text
    for _ in range(7):
        book.write(note(client="[fd01::2]:7"))
    book.close()
    assert f"ftp: fd01::2: {7 - BURST} more refused" in caplog.text


def test_other_messages(caplog: pytest.LogCaptureFixture) -> None:
    book = EventLog()
    book.write({"queue": 1000, "lacking": ["Landlock: not in this kernel"]})
    book.write({"queue": 1000, "problem": "it rains"})
    book.write({"queue": 1000, "untold": 7})
    book.write({"queue": 1000, "counts": {}})
    assert [record.getMessage() for record in caplog.records] == [
        "worker 1000: is confined without Landlock: not in this kernel",
        "worker 1000: it rains",
        "worker 1000: 7 more events than can be listed",
    ]


@given(st.lists(st.tuples(st.integers(0, 5), st.floats(0, 30))))
def test_every_line_is_written_or_counted(events: list[tuple[int, float]]) -> None:
    clock = Clock()
    throttle = Throttle(clock)
    written = held = 0
    for who, later in events:
        clock.now += later
        held += sum(more for _, more in throttle.over())
        written += throttle.allows(Source("refused", "ftp", str(who)))
    held += sum(more for _, more in throttle.end())
    assert written + held == len(events)


def test_many_sources_do_not_fill_the_memory() -> None:
    throttle = Throttle(Clock())
    for number in range(5 * SENDERS):
        throttle.over()
        throttle.allows(Source("refused", "ftp", str(number)))
    assert len(throttle._seen) <= SENDERS
