"""`fwhelpers metrics`: numbers of the running service for Prometheus."""

from __future__ import annotations

import argparse
import asyncio
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from fwhelpers.cli import client
from fwhelpers.cli.common import warn
from fwhelpers.cli.errors import CliError

if TYPE_CHECKING:
    from fwhelpers.metrics.families import Statistics

REPLY = 8.0  #: seconds; Prometheus waits for 10
CACHE = 1.0  #: seconds for which an answer serves further requests

MISSING = "the Python library prometheus_client is missing"
INSTALL = "install it (Debian: python3-prometheus-client, Fedora: python3-prometheus_client)"


def metrics(arguments: argparse.Namespace) -> int:
    """Print or write the metrics once, or serve them until interrupted."""
    try:
        from fwhelpers.metrics import exposition
    except ImportError as error:
        if (error.name or "").split(".")[0] != "prometheus_client":
            raise
        raise CliError(MISSING, INSTALL) from None
    if arguments.listen:
        return _listen(arguments.listen)
    if arguments.output:
        if arguments.output.exists() and not arguments.output.is_file():
            # replacing it would make /dev/null a regular file
            raise CliError(f"{arguments.output}: not a regular file", "omit --output to print them")
        try:
            exposition.write(arguments.output, fetch)
        except OSError as error:  # it names a temporary file beside the output
            hint = "create its directory first" if isinstance(error, FileNotFoundError) else ""
            raise CliError(f"{arguments.output}: {error.strerror}", hint) from None
    else:
        print(exposition.openmetrics(fetch), end="")
    return 0


def fetch() -> Statistics | None:
    """Return the statistics; None, with a warning on stderr, if the service does not answer."""
    from fwhelpers.metrics.families import Statistics, families

    async def scenario(service: client.Service) -> Any:
        async with asyncio.timeout(REPLY):
            return await service.manager("GetStatistics")

    try:
        statistics = Statistics(*client.ask(scenario))
        deque(families(statistics), maxlen=0)  # CliError if the service does not report a number
        return statistics
    except TimeoutError:
        warn(f"the service did not answer within {REPLY:.0f} seconds")
    except CliError as error:
        warn(f"{error}\nhint: {error.hint}" if error.hint else str(error))
    return None


class CachedFetch:
    """Fetches for several threads: one at a time, and at most once in `CACHE` seconds."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._until = float("-inf")
        self._statistics: Statistics | None = None

    def __call__(self) -> Statistics | None:
        with self._lock:
            if time.monotonic() >= self._until:
                self._statistics = fetch()
                self._until = time.monotonic() + CACHE
            return self._statistics


def _listen(text: str) -> int:
    from fwhelpers.metrics.address import parse
    from fwhelpers.metrics.listener import Listener

    try:
        address = parse(text)
    except ValueError as error:
        raise CliError(str(error)) from None
    try:
        listener = Listener(address, CachedFetch())
    except OSError as error:
        raise CliError(f"listen on {address}: {error.strerror}") from None
    warn(f"metrics at {address}")
    with listener:
        listener.serve_forever()
    return 0
