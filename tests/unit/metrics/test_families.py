"""The metric families: values, and Prometheus' rules for names and labels."""

from __future__ import annotations

import re

import pytest
from prometheus_client.core import Metric
from statistics_reply import helper, service, worker

from fwhelpers.metrics.families import Statistics, families

ALL = list(families(Statistics(service(), [helper(), helper("rpc")], [worker(), worker(1001)])))
BY_NAME = {family.name: family for family in ALL}


def value(name: str, **labels: str) -> float:
    family = next(f for f in ALL for s in f.samples if s.name == name)
    (sample,) = [s for s in family.samples if s.labels == labels]
    return float(sample.value)


def test_values() -> None:
    assert value("fwhelpers_up") == 1
    assert value("fwhelpers_start_time_seconds") == 1e9
    assert value("fwhelpers_info", version="9", steering="rules", fail_mode="open") == 1
    assert value("fwhelpers_event_losses_total", stage="kernel") == 2
    assert value("fwhelpers_last_takeover_time_seconds") == 2e9
    assert value("fwhelpers_last_takeover_expectations", result="lost") == 1
    assert value("fwhelpers_replication_connected") == 1
    assert value("fwhelpers_replication_lag_seconds") == 0.001
    assert value("fwhelpers_replication_expectations", gateway="own") == 4
    assert value("fwhelpers_replication_expectations", gateway="other") == 3
    assert value("fwhelpers_expectations", helper="ftp", state="pending") == 2
    assert value("fwhelpers_expectations", helper="ftp", state="matched") == 1
    assert value("fwhelpers_events_total", helper="ftp", event="created") == 3
    assert value("fwhelpers_refusals_total", helper="rpc", rule="G5") == 1
    assert value("fwhelpers_reports_total", helper="ftp", kind="expected") == 3
    assert value("fwhelpers_worker_packets_total", queue="1001") == 500
    assert value("fwhelpers_worker_queue_overflows_total", queue="1000") == 4
    assert value("fwhelpers_worker_queue_memory_bytes", queue="1000") == 4096
    assert value("fwhelpers_worker_cpu_seconds_total", queue="1000") == 1.5


def test_a_service_without_takeover_has_no_series_of_it() -> None:
    values = service()
    del values["last_takeover"]
    names = {family.name for family in families(Statistics(values, [], []))}
    assert not any("takeover" in name for name in names)


def test_a_service_that_does_not_replicate_has_no_series_of_it() -> None:
    values = service()
    del values["replication"]["lag"]  # no connection
    names = {family.name for family in families(Statistics(values, [], []))}
    assert "fwhelpers_replication_connected" in names
    assert "fwhelpers_replication_lag_seconds" not in names
    del values["replication"]
    names = {family.name for family in families(Statistics(values, [], []))}
    assert not any("replication" in name for name in names)


def test_counters_of_enabled_helpers_begin_at_zero() -> None:
    assert value("fwhelpers_events_total", helper="ftp", event="expired") == 0
    assert value("fwhelpers_reports_total", helper="ftp", kind="failed") == 0
    assert value("fwhelpers_event_losses_total", stage="workers") == 0


def test_helpers_of_the_kernel_have_no_reports() -> None:
    foreign = helper("sip", enabled=False, counters={})
    reports = [f for f in families(Statistics(service(), [foreign], [])) if "reports" in f.name]
    assert [f.samples for f in reports] == [[]]


def test_a_service_that_does_not_answer() -> None:
    (up,) = families(None)
    assert (up.name, [s.value for s in up.samples]) == ("fwhelpers_up", [0])


@pytest.mark.parametrize("family", ALL, ids=lambda family: str(family.name))
def test_names_follow_the_conventions(family: Metric) -> None:
    # https://prometheus.io/docs/practices/naming/, and promtool check metrics
    assert re.fullmatch(r"fwhelpers(_[a-z]+)*", family.name)
    assert family.documentation.endswith(".")
    assert family.type in ("gauge", "counter", "info")
    for suffix in ("_total", "_count", "_sum", "_bucket", "_gauge", "_counter"):
        assert not family.name.endswith(suffix)  # the library adds _total
    abbreviated = {"ms", "sec", "secs", "kb", "mb", "msg", "pkts", "num"}
    assert not abbreviated & set(family.name.split("_"))
    for unit in ("seconds", "bytes"):  # base units, at the end
        assert unit not in family.name.split("_")[:-1]
    for sample in family.samples:
        assert all(re.fullmatch(r"[a-z_]+", label) for label in sample.labels)
        if family.type == "counter":
            assert sample.name == f"{family.name}_total"


def test_labels_are_few_and_bounded() -> None:
    labels = {label for family in ALL for sample in family.samples for label in sample.labels}
    info = {"version", "steering", "fail_mode"}
    assert labels - info == {
        "stage",
        "result",
        "gateway",
        "helper",
        "state",
        "event",
        "rule",
        "kind",
        "queue",
    }
