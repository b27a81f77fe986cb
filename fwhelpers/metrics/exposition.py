"""The formats: OpenMetrics text, and a file in Prometheus' older text format."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry, write_to_textfile
from prometheus_client.core import Metric
from prometheus_client.openmetrics.exposition import generate_latest

from fwhelpers.metrics.families import Statistics, families

Fetch = Callable[[], Statistics | None]


class ServiceCollector:
    """Fetches the statistics for each collection."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch

    def collect(self) -> Iterator[Metric]:
        yield from families(self._fetch())


def registry(fetch: Fetch) -> CollectorRegistry:
    """Return a registry of ours alone, without the library's metrics of its own process."""
    collectors = CollectorRegistry(auto_describe=False)
    collectors.register(ServiceCollector(fetch))
    return collectors


def openmetrics(fetch: Fetch) -> str:
    """Return the metrics in OpenMetrics 1.0 text format."""
    return str(generate_latest(registry(fetch)).decode())


def write(path: Path, fetch: Fetch) -> None:
    """Replace a file atomically, for node_exporter's textfile collector. Raises OSError.

    That collector reads Prometheus' text format 0.0.4 only: it rejects the type `info` of
    OpenMetrics, and takes its counters for untyped metrics.
    """
    write_to_textfile(str(path), registry(fetch))
