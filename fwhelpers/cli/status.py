"""`status`, `expectations`, `enable`, `disable`, `reload`: requests to the running service."""

from __future__ import annotations

import argparse
import ipaddress
import time
from collections.abc import Iterator, Mapping
from typing import Any

from fwhelpers.cli.bus_errors import is_denial
from fwhelpers.cli.client import Service, ask
from fwhelpers.cli.common import print_json, print_lines, table
from fwhelpers.cli.errors import CliError
from fwhelpers.cli.printable import printable
from fwhelpers.config.validators import suggest
from fwhelpers.dbus.errors import BusError
from fwhelpers.dbus.fields import Typed
from fwhelpers.kernel.expect import port_range
from fwhelpers.kernel.transports import PORTLESS

Values = Mapping[str, Any]

REFUSALS = 5  #: shown by `status`


def status(arguments: argparse.Namespace) -> int:
    """`fwhelpers status`. Returns 3 if a helper or a worker has a problem, as systemctl does."""

    async def scenario(service: Service) -> dict[str, Any]:
        summary = await service.summary()
        helpers = await service.manager("ListHelpers")
        _, statistics, workers = await service.manager("GetStatistics")
        rates = {row["name"]: row["rates"] for row in statistics}
        return {
            "version": summary["Version"], "steering": summary["Steering"],
            "fail_mode": summary["FailMode"], "problems": summary["Problems"],
            "helpers": [
                {**helper, "rates": rates.get(helper["name"], {})}
                for helper in helpers if helper["enabled"]
            ],
            "workers": workers, "refusals": await _last_refusals(service),
        }  # fmt: skip

    # whoever may not see addresses is not asked for a password, but sees the rest
    state = ask(scenario, interactive=False)
    if arguments.json:
        print_json(state)
    else:
        print_lines(_status_lines(state))
    good = not state["problems"] and all(worker["ready"] for worker in state["workers"])
    return 0 if good else 3


async def _last_refusals(service: Service) -> list[dict[str, Any]] | None:
    """Return None if polkit does not let this user see addresses."""
    try:
        query = {"limit": Typed("u", REFUSALS)}
        return list(await service.expectations("ListRefusals", "a{sv}", query))
    except BusError as error:
        if is_denial(error):
            return None
        raise


def _status_lines(state: Values) -> Iterator[str]:
    yield f"fwhelpers {state['version']}: running, steering by {state['steering']}, fail {state['fail_mode']}"
    rows = [("HELPER", "BACKEND", "L4", "PORTS", "NEW/s", "COUNTERS")]
    rows += [
        (
            h["name"], h.get("backend", "user"), ",".join(h["transports"]), ",".join(map(str, h["ports"])),
            f"{h['rates'].get('expected', 0.0):.2f}", _counters(h["counters"]),
        )
        for h in state["helpers"]
    ]  # fmt: skip
    yield ""
    yield table(rows) if state["helpers"] else "no helper is enabled"
    lines: list[tuple[str, ...]] = [
        ("WORKER", "STATE", "PID", "RESTARTS", "PACKETS", "OVERFLOWS", "PACKETS/s", "CPU")
    ]
    lines += [
        (
            str(w["queue"]), "ready" if w["ready"] else "not ready",
            *(str(w[key]) for key in ("pid", "restarts", "packets", "overflows")),
            f"{w['rates'].get('packets', 0.0):.1f}", f"{w['rates'].get('cpu_seconds', 0.0):.1%}",
        )
        for w in state["workers"]
    ]  # fmt: skip
    yield ""
    yield table(lines)
    for name, reason in state["problems"].items():
        yield printable(f"problem: {name}: {reason}")
    if state["refusals"] is None:
        yield ""
        yield "last refusals: for root, and for users whom polkit allows view-details"
    elif state["refusals"]:
        yield ""
        yield "last refusals:"
        yield from (f"  {describe_refusal(values)}" for values in state["refusals"])


def _counters(counters: Mapping[str, int]) -> str:
    return ", ".join(f"{key} {value}" for key, value in counters.items()) or "-"


def expectations(arguments: argparse.Namespace) -> int:
    """`fwhelpers expectations`: the pending ones, and those whose connections are still open."""
    rows = ask(lambda service: list_expectations(service, arguments.helper))
    if arguments.json:
        print_json(rows)
    elif rows:
        titles = (
            "HELPER",
            "ANNOUNCEMENT",
            "EXPECTED",
            "REMAINING",
            "CONTROL CONNECTION",
            "CONNECTIONS",
        )
        print(table([titles, *map(_expectation_row, rows)]))
    else:
        print("no expectations")
    return 0


async def list_expectations(service: Service, helper: str | None = None) -> list[dict[str, Any]]:
    """Return all expectations, or those of a helper. Raises BusError, and CliError for an unknown helper."""
    rows: list[dict[str, Any]] = []
    query = {"helper": Typed("s", helper)} if helper else {}
    after = ""
    while True:
        position = {"after": Typed("s", after)} if after else {}
        page, after = await service.expectations("List", "a{sv}", {**query, **position})
        rows += page
        if not after:
            break
    if helper and not rows:  # the kernel's own helpers have expectations, too, but are not listed
        installed = [values["name"] for values in await service.manager("ListHelpers")]
        if helper not in installed:
            text = f"no expectations of {helper!a}, and no helper of that name is installed"
            raise CliError(text, suggest(helper, sorted(installed), "helpers"))
    return rows


def _expectation_row(values: Values) -> tuple[str, str, str, str, str, str]:
    remaining = f"{values['remaining']} s" if values["state"] == "pending" else "matched"
    connections = ", ".join(map(describe_connection, values["connections"])) or "-"
    return (
        printable(values["helper"]),
        printable(values["announcement"] or "-"),
        describe_expected(values),
        remaining,
        describe_connection(values["master"]),
        connections,
    )


def describe_expected(values: Values) -> str:
    """Return the expected tuple for people: tcp 10.0.1.2:any → 10.0.2.2:2000."""
    source = _describe_network(values["source"], values["source_mask"])
    mask = values["source_port_mask"]
    port = port_range(values["source_port"], mask) if mask else "any"
    transport = values["transport"]
    destination = _endpoint(values["destination"], values["destination_port"], transport)
    return f"{transport} {_endpoint(source, port, transport)} → {destination}"


def describe_connection(values: Values) -> str:
    """Return a connection's original direction for people: 10.0.1.2:40000 → 10.0.2.2:21."""
    source, destination = (
        _endpoint(values[end], values[f"{end}_port"], values["transport"])
        for end in ("source", "destination")
    )
    return f"{source} → {destination}"


def describe_refusal(values: Values) -> str:
    """Return a refused announcement as a line, safe for a terminal: when, whose, what, why."""
    clock = time.strftime("%H:%M:%S", time.localtime(values["time"]))
    return printable(
        f"{clock} {values['helper']} {values['announcement'] or '-'} {values['endpoint']}:"
        f" {values['reason']} ({values['rule'] or '-'}); {values['client']} → {values['server']}"
    )


def _endpoint(host: str, port: object, transport: str) -> str:
    if transport in PORTLESS:
        return host
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _describe_network(address: str, mask: str) -> str:
    parsed = ipaddress.ip_address(mask)
    bits = int(parsed).bit_count()
    if bits == parsed.max_prefixlen:
        return address
    return f"{address}/{bits}" if bits else "any"


def enable(arguments: argparse.Namespace) -> int:
    """`fwhelpers enable`."""
    return _switch(arguments, "EnableHelper")


def disable(arguments: argparse.Namespace) -> int:
    """`fwhelpers disable`."""
    return _switch(arguments, "DisableHelper")


def _switch(arguments: argparse.Namespace, member: str) -> int:
    options = {"persist": Typed("b", arguments.persist)}

    async def scenario(service: Service) -> list[dict[str, Any]]:
        return [await service.manager(member, "sa{sv}", name, options) for name in arguments.name]

    results = ask(scenario)
    if arguments.json:
        print_json(results)
    else:
        for result in results:
            state = "enabled" if result["enabled"] else "disabled"
            path = result["drop_in"]
            line = f"{result['name']}: {state}{f', saved in {path}' if path else ' until the next reload'}"
            print(printable(line))
    return 0


def reload(arguments: argparse.Namespace) -> int:
    """`fwhelpers reload`."""
    result = ask(lambda service: service.manager("Reload", "a{sv}", {}))
    if arguments.json:
        print_json(result)
    else:
        print(printable(f"reloaded: {', '.join(result['helpers']) or 'no helper enabled'}"))
    return 0
