"""The metric families. Names and labels follow prometheus.io/docs/practices/naming; no label has addresses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from prometheus_client.core import CounterMetricFamily as Counter
from prometheus_client.core import GaugeMetricFamily as Gauge
from prometheus_client.core import InfoMetricFamily as Info
from prometheus_client.core import Metric

Values = Mapping[str, Any]

#: counted for each helper from the start, so that the first event is an increase
EVENTS = ("created", "renewed", "matched", "expired", "withdrawn", "refused", "abandoned")
KINDS = ("expected", "renewed", "refused", "poisoned", "done", "dropped", "failed")
RESULTS = ("repaired", "kept", "refused", "lost")
STAGES = ("kernel", "workers", "tracker", "subscriber")


class Statistics(NamedTuple):
    """The reply of GetStatistics."""

    service: Values
    helpers: list[Values]
    workers: list[Values]


def families(statistics: Statistics | None) -> Iterator[Metric]:
    """Yield all families; `fwhelpers_up 0` alone if the service did not answer."""
    up = 0 if statistics is None else 1
    yield Gauge("fwhelpers_up", "Whether the service answered on D-Bus.", up)
    if statistics is not None:
        yield from _service(statistics.service)
        yield from _helpers(statistics.helpers)
        yield from _workers(statistics.workers)


def _service(service: Values) -> Iterator[Metric]:
    labels = {key: str(service[key]) for key in ("version", "steering", "fail_mode")}
    yield Info("fwhelpers", "Version and mode of the service.", labels)
    start = Gauge("fwhelpers_start_time_seconds", "Start of the service since the Unix epoch.")
    start.add_metric([], service["started"])
    yield start
    losses = Counter(
        "fwhelpers_event_losses", "Times that events were lost, by stage.", labels=["stage"]
    )
    for stage, count in _with_zeros(service["losses"], STAGES):
        losses.add_metric([stage], count)
    yield losses
    if "last_takeover" in service:
        yield from _takeover(service["last_takeover"])
    if "replication" in service:
        yield from _replication(service["replication"])


def _takeover(last: Values) -> Iterator[Metric]:
    name = "fwhelpers_last_takeover_time_seconds"
    yield Gauge(name, "Time of the last take-over since the Unix epoch.", last["time"])
    expectations = Gauge(
        "fwhelpers_last_takeover_expectations",
        "Expectations by their result in the last take-over.",
        labels=["result"],
    )
    for result in RESULTS:
        expectations.add_metric([result], last[result])
    yield expectations


def _replication(state: Values) -> Iterator[Metric]:
    text = "Whether expectations are sent to the other gateway and received from it."
    yield Gauge("fwhelpers_replication_connected", text, state["connected"])
    if "lag" in state:
        text = "Time until the other gateway answers, in the order of what is sent to it."
        yield Gauge("fwhelpers_replication_lag_seconds", text, state["lag"])
    expectations = Gauge(
        "fwhelpers_replication_expectations",
        "Expectations that one gateway keeps of the other one: of this one there, of the other one here.",
        labels=["gateway"],
    )
    expectations.add_metric(["own"], state["confirmed"])
    expectations.add_metric(["other"], state["received"])
    yield expectations


def _helpers(helpers: Iterable[Values]) -> Iterator[Metric]:
    enabled = Gauge("fwhelpers_helper_enabled", "Whether a helper is enabled.", labels=["helper"])
    registered = Gauge(
        "fwhelpers_helper_registered", "Whether the kernel accepted a helper.", labels=["helper"]
    )
    expectations = Gauge(
        "fwhelpers_expectations",
        "Pending expectations, and used ones whose connections are open.",
        labels=["helper", "state"],
    )
    events = Counter(
        "fwhelpers_events", "Events of expectations and announcements.", labels=["helper", "event"]
    )
    refusals = Counter(
        "fwhelpers_refusals",
        "Refused announcements, by safety rule (docs/safety.md).",
        labels=["helper", "rule"],
    )
    reports = Counter(
        "fwhelpers_reports", "What workers reported about flows.", labels=["helper", "kind"]
    )
    for helper in helpers:
        name = helper["name"]
        enabled.add_metric([name], helper["enabled"])
        registered.add_metric([name], helper["registered"])
        for state in ("pending", "matched"):
            expectations.add_metric([name, state], helper[state])
        for event, count in _with_zeros(helper["event_counts"], EVENTS):
            events.add_metric([name, event], count)
        for rule, count in sorted(helper["refused_by_rule"].items()):
            refusals.add_metric([name, rule], count)
        if helper["enabled"] or helper["counters"]:  # not those of the kernel itself
            for kind, count in _with_zeros(helper["counters"], KINDS):
                reports.add_metric([name, kind], count)
    yield from (enabled, registered, expectations, events, refusals, reports)


#: key in the statistics, family, help text
_WORKER_GAUGES = (
    ("ready", "fwhelpers_worker_ready", "Whether a worker serves its queue."),
    (
        "waiting_bytes",
        "fwhelpers_worker_queue_memory_bytes",
        "Memory of the packets that wait in the queue.",
    ),
    (
        "buffer_bytes",
        "fwhelpers_worker_queue_memory_limit_bytes",
        "Memory that waiting packets may occupy before the queue overflows.",
    ),
)
_WORKER_COUNTERS = (
    ("packets", "fwhelpers_worker_packets", "Packets judged."),
    ("overflows", "fwhelpers_worker_queue_overflows", "Overflows of the queue."),
    ("restarts", "fwhelpers_worker_restarts", "Starts of a worker process after the first."),
    ("cpu_seconds", "fwhelpers_worker_cpu_seconds", "Processor time of the worker process."),
)


def _workers(workers: list[Values]) -> Iterator[Metric]:
    for kind, table in ((Gauge, _WORKER_GAUGES), (Counter, _WORKER_COUNTERS)):
        for key, name, text in table:
            family = kind(name, text, labels=["queue"])
            for worker in workers:
                family.add_metric([str(worker["queue"])], worker[key])
            yield family


def _with_zeros(counts: Mapping[str, int], names: tuple[str, ...]) -> list[tuple[str, int]]:
    """Names that this version does not know come from a newer service."""
    return [*{**dict.fromkeys(names, 0), **counts}.items()]
