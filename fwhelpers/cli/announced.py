"""The expectations that the running service has announced on this gateway, not committed by conntrackd."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

from fwhelpers.cli.client import Service, ask
from fwhelpers.cli.errors import CliError
from fwhelpers.cli.status import list_expectations
from fwhelpers.engine.expectation_key import ExpectationId, make_key
from fwhelpers.kernel.conntrack import Tuple
from fwhelpers.kernel.expect import mask_for
from fwhelpers.kernel.transports import NUMBERS

TIMEOUT = 3.0  #: seconds; a take-over does not wait for a service that hangs

Values = Mapping[str, Any]


def announced() -> frozenset[ExpectationId]:
    """Return the pending ones that a worker of this host reported; none if the service does not answer."""

    async def scenario(service: Service) -> list[dict[str, Any]]:
        async with asyncio.timeout(TIMEOUT):
            return await list_expectations(service)

    try:
        rows = ask(scenario, interactive=False)
    except (CliError, TimeoutError):
        return frozenset()
    return frozenset(identity(row) for row in rows if row["announcement"] and _is_pending(row))


def identity(row: Values) -> ExpectationId:
    """Return the identity of an expectation in a reply of the service."""
    expected = _tuple(row)
    prefix = int(ip_address(row["source_mask"])).bit_count()
    mask = mask_for(expected, row["source_port_mask"], prefix)
    return ExpectationId(make_key(row["zone"], expected, mask), _tuple(row["master"]))


def _is_pending(row: Values) -> bool:
    return bool(row["state"] == "pending" and row["transport"] in NUMBERS)


def _tuple(row: Values) -> Tuple:
    source, destination = (ip_address(row[end]).packed for end in ("source", "destination"))
    ports = row["source_port"], row["destination_port"]
    return Tuple(source, destination, NUMBERS[row["transport"]], *ports)
