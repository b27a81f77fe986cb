"""The model of the live view: replies, signals and keys."""

from __future__ import annotations

from typing import Any

import pytest
from statistics_reply import helper, service, worker

from fwhelpers.cli.top.model import MAX_EXPECTATIONS, MAX_FILTER, MAX_REFUSALS, PAGES, Model


def expectation(number: int = 1, **more: Any) -> dict[str, Any]:
    return {
        "id": f"1-{number}", "state": "pending", "helper": "ftp", "announcement": "PASV",
        "remaining": 60, "connections": [], **more,
    }  # fmt: skip


CONNECTION = {"source": "10.0.1.2", "source_port": 50000}


def ids(model: Model) -> list[str]:
    return list(model.state.expectations)


def test_the_life_of_an_expectation() -> None:
    model = Model()
    model.on_event("Created", [expectation(1), expectation(2)], 10.0, 0.0)
    assert model.state.expectations["1-1"].until == 70.0
    matched = expectation(1, state="matched", remaining=0, connection=CONNECTION)
    del matched["connections"]
    model.on_event("Matched", [matched], 11.0, 0.0)
    assert model.state.expectations["1-1"].values["connections"] == [CONNECTION]
    assert model.state.expectations["1-1"].values["state"] == "matched"
    model.on_event("Expired", [expectation(2)], 70.0, 0.0)
    assert ids(model) == ["1-1"]
    model.on_event("Withdrawn", [expectation(1, connections=[CONNECTION])], 71.0, 0.0)
    assert ids(model) == ["1-1"]  # its connection is open
    model.on_event("Withdrawn", [expectation(1)], 72.0, 0.0)
    assert ids(model) == []


def test_a_permanent_expectation_collects_connections() -> None:
    model = Model()
    model.on_event("Created", [expectation(1)], 0.0, 0.0)
    for _ in range(2):
        model.on_event("Matched", [expectation(1, connection=CONNECTION)], 1.0, 0.0)
    assert model.state.expectations["1-1"].values["connections"] == [CONNECTION, CONNECTION]


def test_a_renewed_expectation_lives_on_with_its_connections() -> None:
    model = Model()
    model.on_event("Created", [expectation(1)], 0.0, 0.0)
    model.on_event("Matched", [expectation(1, connection=CONNECTION)], 1.0, 0.0)
    model.on_event("Renewed", [expectation(1, remaining=300)], 50.0, 0.0)
    assert model.state.expectations["1-1"].until == 350.0
    assert model.state.expectations["1-1"].values["connections"] == [CONNECTION]


def test_events_of_unknown_expectations() -> None:
    model = Model()
    model.on_event("Expired", [expectation(9)], 0.0, 0.0)
    model.on_event("Matched", [expectation(8, connection=CONNECTION)], 0.0, 0.0)
    model.on_event("Matched", [{"id": "", "connection": CONNECTION}], 0.0, 0.0)
    model.on_event("SomethingNew", [expectation(7)], 0.0, 0.0)
    assert ids(model) == ["1-8"]


def test_memory_is_bounded() -> None:
    model = Model()
    for number in range(MAX_EXPECTATIONS + 5):
        model.on_event("Created", [expectation(number)], 0.0, 0.0)
        model.on_event("Refused", [{"helper": "ftp"}], 0.0, float(number))
    assert (len(ids(model)), ids(model)[0]) == (MAX_EXPECTATIONS, "1-5")
    assert len(model.state.refusals) == MAX_REFUSALS
    for key in "/" + "x" * 1000:
        model.on_key(key)
    assert len(model.filter) == MAX_FILTER


def test_a_list_replaces_what_was_there() -> None:
    model = Model()
    model.on_event("Created", [expectation(1)], 0.0, 0.0)
    model.on_lost()
    assert model.state.lost
    model.begin_list()
    model.on_expectations([expectation(2)], 0.0)
    model.on_expectations([expectation(3)], 0.0)
    assert (ids(model), model.state.lost) == (["1-2", "1-3"], False)


def test_rates_are_those_of_the_last_seconds() -> None:
    model = Model()
    for second, created in enumerate((0, 10, 20, 20, 20, 20, 20, 20, 20)):
        reply = helper(event_counts={"created": created}), worker(cpu_seconds=second / 4)
        model.on_statistics(service(), [reply[0]], [reply[1]], float(second))
        if second == 2:
            assert model.state.rates["helper", "ftp"] == {"created": 10.0}
            assert model.state.rates["worker", "1000"]["cpu_seconds"] == 0.25
    assert model.state.rates["helper", "ftp"] == {"created": 0.0}


def test_a_restarted_service_counts_from_zero() -> None:
    model = Model()
    for now, started, created in ((0.0, 1.0, 50), (1.0, 2.0, 3), (2.0, 2.0, 4)):
        counted = helper(event_counts={"created": created})
        model.on_statistics(service(started=started), [counted], [], now)
        model.on_disconnected("stopped")
    model.on_statistics(service(started=2.0), [helper(event_counts={"created": 6})], [], 3.0)
    assert model.state.rates["helper", "ftp"] == {"created": 1.5}
    assert model.state.problem == ""


def test_a_user_without_the_right_sees_no_addresses() -> None:
    model = Model()
    model.on_event("Created", [expectation(1)], 0.0, 0.0)
    model.on_refusals([{"helper": "ftp"}])
    model.on_denied("not authorized")
    assert (ids(model), list(model.state.refusals)) == ([], [])
    model.begin_list()
    assert model.state.denied == ""


@pytest.mark.parametrize("key", ["q", "interrupt"])
def test_keys_that_quit(key: str) -> None:
    assert not Model().on_key(key)


def test_keys() -> None:
    model = Model()
    pages = []
    for _ in PAGES:
        assert model.on_key("tab")
        pages.append(model.page)
    assert pages == ["helpers", "expectations", "refusals", "all"]
    model.on_key("back-tab")
    assert model.page == "refusals"
    for key in ("down", "down", "page-down", "up", "page-up"):
        model.on_key(key)
    assert model.offset == 1
    model.on_key("tab")
    assert model.offset == 0
    model.on_key("s")
    assert model.sort == "activity"
    assert model.on_key("unknown")


def test_typing_a_filter() -> None:
    model = Model()
    for key in ("/", "q", "s", "x", "backspace", "tab", "enter"):
        assert model.on_key(key)
    assert (model.filter, model.is_typing) == ("qs", False)
    model.on_key("escape")
    assert model.filter == ""
    for key in ("/", "a", "escape"):
        model.on_key(key)
    assert (model.filter, model.is_typing) == ("", False)
    model.on_key("/")
    assert not model.on_key("interrupt")


def test_a_pause_keeps_what_is_shown_but_not_the_state() -> None:
    model = Model()
    model.on_event("Created", [expectation(1)], 0.0, 0.0)
    model.toggle_pause(5.0)
    model.on_event("Withdrawn", [expectation(1)], 6.0, 0.0)
    state, shown_at = model.shown(7.0)
    assert (list(state.expectations), shown_at, model.is_paused) == (["1-1"], 5.0, True)
    model.toggle_pause(8.0)
    assert (model.shown(8.0)[0].expectations, model.is_paused) == ({}, False)
