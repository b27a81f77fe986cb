"""The lines of the live view."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from statistics_reply import helper, service, worker

from fwhelpers.cli.status import describe_connection, describe_expected
from fwhelpers.cli.top import view
from fwhelpers.cli.top.model import Model


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


def expectation(number: int = 1, **more: Any) -> dict[str, Any]:
    return {
        "id": f"1-{number}", "state": "pending", "helper": "ftp", "announcement": "PASV",
        "remaining": 60 + number, "transport": "tcp", "source": "10.0.1.2",
        "source_mask": "255.255.255.255", "source_port": 0, "source_port_mask": 0,
        "destination": "10.0.2.2", "destination_port": 2000 + number,
        "master": connection(40000, 21), "connections": [], **more,
    }  # fmt: skip


def connection(sport: int, dport: int) -> dict[str, Any]:
    return {
        "transport": "tcp", "source": "10.0.1.2", "source_port": sport,
        "destination": "10.0.2.2", "destination_port": dport,
    }  # fmt: skip


def refused(reason: str = "below 1024", helper: str = "ftp", when: float = 0.0) -> dict[str, Any]:
    return {
        "time": when, "helper": helper, "announcement": "PORT", "endpoint": "10.0.1.2:22",
        "reason": reason, "rule": "G6", "client": "10.0.1.2:40000", "server": "10.0.2.2:21",
    }  # fmt: skip


def full(expectations: int = 2) -> Model:
    model = Model()
    for now in (0.0, 2.0):
        counted = helper(event_counts={"created": int(now) + 3, "refused": 1})
        idle = helper("rpc", event_counts={}, pending=0, matched=0)
        busy = worker(packets=int(500 + now * 20), cpu_seconds=1 + now / 50)
        model.on_statistics(service(started=100.0), [counted, idle], [busy], now)
    model.on_expectations([expectation(n) for n in range(expectations)], 2.0)
    model.on_refusals([refused()])
    return model


def text(model: Model, width: int = 80, height: int = 24, now: float = 12.0) -> list[str]:
    return view.plain(view.lines(model, width, height, now, 90_100.0))


def test_a_whole_screen_of_80_by_24() -> None:
    model = full()
    used = expectation(0, state="matched", remaining=0, connections=[connection(50000, 2000)])
    model.on_expectations([used], 2.0)
    screen = text(model)
    assert screen == [
        "fwhelpers 9  up 1 d 01:00:00  steering rules  fail open  events lost 2×",
        "HELPER            NEW/s  PENDING  IN USE   CREATED   REFUSED  ABANDONED",
        "ftp                 1.0        2       1         5         1          0",
        "rpc                 0.0        0       0         0         0          0",
        "",
        "QUEUE     STATE         CPU  PACKETS/s         BACKLOG  OVERFLOWS  RESTARTS",
        "1000      ready        2.0%       20.0     4 KiB  0.4%          4         1",
        "",
        "EXPECTATIONS (2)",
        "ftp        PASV       in use  tcp 10.0.1.2:any → 10.0.2.2:2000  used by 10.0.1.…",
        "ftp        PASV         51 s  tcp 10.0.1.2:any → 10.0.2.2:2001  by 10.0.1.2:400…",
        "",
        "REFUSED (1)",
        "00:00:00 ftp PORT 10.0.1.2:22: below 1024 (G6); 10.0.1.2:40000 → 10.0.2.2:21",
        *[""] * 9,
        "q quit  space pause  / filter  s sort  tab page  ↑↓  [all, by name]",
    ]
    wide = text(model, width=120)
    assert wide[9].endswith("used by 10.0.1.2:50000 → 10.0.2.2:2000")


def test_alarms_are_visible_without_colour() -> None:
    model = Model()
    helpers = [helper(registered=False)]
    model.on_statistics(service(), helpers, [worker(ready=False, buffer_bytes=0)], 0.0)
    alarms = [line for line in view.lines(model, 80, 24, 0.0, 0.0) if line.style == view.ALARM]
    assert alarms[0].text.split() == ["ftp", "not", "registered", "with", "the", "kernel"]
    assert "not ready" in alarms[1].text
    model.on_disconnected("the service is not running")
    header = view.lines(model, 80, 24, 0.0, 0.0)[0]
    assert header.style == view.ALARM
    assert header.text.startswith("fwhelpers: the service is not running")
    for style in (view.PLAIN, view.TITLE, view.BAR, view.ALARM):
        assert set(style.split()) <= {"bold", "reverse"}


def test_the_countdown_and_a_pause() -> None:
    model = full(1)

    def remaining(now: float) -> str:
        return next(line for line in text(model, now=now) if "PASV" in line).split("  tcp")[0][-4:]

    assert remaining(12.0) == "50 s"
    assert remaining(13.0) == "49 s"
    model.toggle_pause(13.0)
    assert remaining(30.0) == "49 s"
    assert text(model)[0].startswith("PAUSED  fwhelpers 9")
    model.toggle_pause(30.0)
    assert remaining(100.0).strip() == "0 s"


def test_a_filter_is_for_all_tables() -> None:
    model = full()
    model.on_expectations([expectation(5, helper="RPC")], 2.0)
    model.on_refusals([refused(), refused(helper="rpc")])
    for key in "/rpc":
        model.on_key(key)
    assert text(model)[-1] == "filter: rpc_  (enter: keep, escape: clear)"
    model.on_key("enter")
    body = text(model)[1:-1]
    assert not [line for line in body if line.startswith("ftp") or " ftp " in line]
    assert len([line for line in body if "rpc" in line.lower()]) == 3
    assert text(model)[-1].startswith("filter: rpc  q quit")


def rows(model: Model, prefix: str) -> list[str]:
    return [line.split()[0] for line in text(model)[1:-1] if line.startswith(prefix)]


def test_sorting() -> None:
    model = Model()
    for now in (0.0, 1.0):
        numbers = [("hb", 1, 9), ("ha", 2, 0), ("hc", 8, 3)]
        helpers = [
            helper(name, event_counts={"created": int(now) * rate}, pending=pending)
            for name, rate, pending in numbers
        ]
        model.on_statistics(service(), helpers, [], now)
    for name, until in (("xb", 30), ("xc", 10), ("xa", 20)):
        model.on_expectations([expectation(until, id=name, helper=name, remaining=until)], 1.0)
    assert rows(model, "h") == ["ha", "hb", "hc"]
    assert rows(model, "x") == ["xa", "xb", "xc"]
    model.on_key("s")  # activity
    assert rows(model, "h") == ["hc", "ha", "hb"]
    assert rows(model, "x") == ["xa", "xc", "xb"]
    model.on_key("s")  # time
    assert rows(model, "h") == ["hb", "hc", "ha"]
    assert rows(model, "x") == ["xc", "xa", "xb"]


def test_pages_and_scrolling() -> None:
    model = full(300)
    screen = text(model)
    heading = next(line for line in screen if line.startswith("EXPECTATIONS"))
    assert heading == "EXPECTATIONS (300)  (289 more)"
    assert [line for line in screen if line.startswith("REFUSED (1)")]
    model.page = "expectations"
    assert len([line for line in text(model) if "PASV" in line]) == 21
    assert "10.0.2.2:2000 " in text(model)[2]
    model.on_key("page-down")
    assert "10.0.2.2:2010 " in text(model)[2]
    for _ in range(100):
        model.on_key("page-down")
    assert "10.0.2.2:2299 " in text(model)[-2]
    model.on_key("up")
    assert "10.0.2.2:2298 " in text(model)[-2]
    model.on_key("home")
    assert "10.0.2.2:2000 " in text(model)[2]
    model.on_key("end")
    assert "10.0.2.2:2299 " in text(model)[-2]


def test_a_user_without_the_right() -> None:
    model = full()
    model.on_denied("for authorized users only")
    screen = text(model)
    assert screen.count("for authorized users only") == 2
    assert "ftp  " in screen[2]


def test_text_from_the_network_is_escaped() -> None:
    model = full(0)
    hostile = "\x1b]0;title\x07\r\n\u202e[bold red]漢"
    model.on_expectations([expectation(1, announcement=hostile, helper=hostile)], 2.0)
    model.on_refusals([refused(reason=hostile)])
    counted = helper(hostile)
    model.on_statistics(service(version=hostile), [counted], [], 3.0)
    model.on_key("/")
    for width in (20, 80, 200):
        for line in view.lines(model, width, 24, 3.0, 0.0):
            assert line.text.isprintable()
    model.filter = ""
    assert any("\\x1b]0;title" in line for line in text(model, width=200))
    model.on_disconnected(hostile)
    assert "\\x1b" in text(model)[0]


@given(st.integers(1, 200), st.integers(2, 60), st.text(max_size=30))
def test_every_line_has_the_width_of_the_screen(width: int, height: int, name: str) -> None:
    model = full(40)
    model.on_statistics(service(), [helper(name)], [worker()], 3.0)
    model.on_refusals([refused(name)] * 40)
    screen = view.lines(model, width, height, 4.0, 0.0)
    assert len(screen) == height
    assert {cell_len(line.text) for line in screen} == {width}


def test_esp_is_shown_without_ports() -> None:
    ends = {"transport": "esp", "source_port": 0, "destination_port": 0}
    values = expectation(connections=[connection(0, 0) | ends]) | ends
    assert describe_expected(values) == "esp 10.0.1.2 → 10.0.2.2"
    assert describe_connection(values["connections"][0]) == "10.0.1.2 → 10.0.2.2"
    assert describe_connection(values["master"]) == "10.0.1.2:40000 → 10.0.2.2:21"
