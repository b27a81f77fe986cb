"""`status`, `expectations`, `enable`, `disable`, `reload`: what the running service knows and does."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from typing import Any

from fwhelpers.cli.client import Service, ask
from fwhelpers.cli.common import print_json, table
from fwhelpers.dbus.fields import Typed

Values = Mapping[str, Any]


def status(arguments: argparse.Namespace) -> int:
    """`fwhelpers status`; 3 if a helper or a worker has a problem, as systemctl has it."""

    async def scenario(service: Service) -> dict[str, Any]:
        summary = await service.summary()
        (helpers,) = await service.manager("ListHelpers")
        _, workers = await service.manager("GetCounters")
        return {
            "version": summary["Version"], "steering": summary["Steering"],
            "fail": summary["Fail"], "problems": summary["Problems"],
            "helpers": [helper for helper in helpers if helper["enabled"]], "workers": workers,
        }  # fmt: skip

    found = ask(scenario)
    if arguments.json:
        print_json(found)
    else:
        print("\n".join(_status(found)))
    good = not found["problems"] and all(worker["ready"] for worker in found["workers"])
    return 0 if good else 3


def _status(found: Values) -> Iterator[str]:
    yield f"fwhelpers {found['version']}: running, steering by {found['steering']}, fail {found['fail']}"
    rows = [("HELPER", "L4", "PORTS", "COUNTERS")]
    rows += [
        (h["name"], ",".join(h["transports"]), ",".join(map(str, h["ports"])), _counts(h["counters"]))
        for h in found["helpers"]
    ]  # fmt: skip
    yield ""
    yield table(rows) if found["helpers"] else "no helper is enabled"
    lines: list[tuple[str, ...]] = [("WORKER", "STATE", "PID", "RESTARTS", "PACKETS", "OVERFLOWS")]
    lines += [
        (
            str(w["queue"]), "ready" if w["ready"] else "not ready",
            *(str(w[key]) for key in ("pid", "restarts", "packets", "overflows")),
        )
        for w in found["workers"]
    ]  # fmt: skip
    yield ""
    yield table(lines)
    for name, why in found["problems"].items():
        yield f"problem: {name}: {why}"


def _counts(counters: Mapping[str, int]) -> str:
    return ", ".join(f"{key} {value}" for key, value in counters.items()) or "-"


def expectations(arguments: argparse.Namespace) -> int:
    """`fwhelpers expectations`: those that are there, and those whose connections are."""

    async def scenario(service: Service) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        given = {"helper": Typed("s", arguments.helper)} if arguments.helper else {}
        after = ""
        while True:
            position = {"after": Typed("s", after)} if after else {}
            page, after = await service.expectations("List", "a{sv}", {**given, **position})
            found += page
            if not after:
                return found

    found = ask(scenario)
    if arguments.json:
        print_json(found)
    elif found:
        rows = [("HELPER", "WHAT", "EXPECTED", "LEFT", "CONTROL CONNECTION", "CONNECTIONS")]
        rows += [_row(one) for one in found]
        print(table(rows))
    else:
        print("nothing is expected")
    return 0


def _row(one: Values) -> tuple[str, str, str, str, str, str]:
    left = f"{one['remaining']} s" if one["state"] == "expected" else "used"
    connections = ", ".join(ends(c) for c in one["connections"]) or "-"
    return one["helper"], one["what"] or "-", expected(one), left, ends(one["master"]), connections


def expected(one: Values) -> str:
    """The expected tuple in words: tcp 10.0.1.2:any → 10.0.2.2:2000."""
    source = _masked(one["source"], one["source_mask"])
    port = str(one["source_port"]) if one["source_port_mask"] else "any"
    there = endpoint(one["destination"], one["destination_port"])
    return f"{one['transport']} {endpoint(source, port)} → {there}"


def ends(one: Values) -> str:
    """A connection's original direction in words."""
    here = endpoint(one["source"], one["source_port"])
    return f"{here} → {endpoint(one['destination'], one['destination_port'])}"


def endpoint(host: str, port: object) -> str:
    """Address and port as people write them."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _masked(address: str, mask: str) -> str:
    import ipaddress

    bits = int(ipaddress.ip_address(mask)).bit_count()
    whole = ipaddress.ip_address(mask).max_prefixlen
    return address if bits == whole else "any" if not bits else f"{address}/{bits}"


def enable(arguments: argparse.Namespace) -> int:
    """`fwhelpers enable`."""
    return _switch(arguments, "EnableHelper")


def disable(arguments: argparse.Namespace) -> int:
    """`fwhelpers disable`."""
    return _switch(arguments, "DisableHelper")


def _switch(arguments: argparse.Namespace, member: str) -> int:
    options = {"persist": Typed("b", arguments.persist)}

    async def scenario(service: Service) -> list[dict[str, Any]]:
        found = []
        for name in arguments.name:
            (one,) = await service.manager(member, "sa{sv}", name, options)
            found.append(one)
        return found

    found = ask(scenario)
    if arguments.json:
        print_json(found)
    else:
        for one in found:
            kept = f", kept in {one['persisted']}" if one["persisted"] else " until the next reload"
            print(f"{one['name']}: {'enabled' if one['enabled'] else 'disabled'}{kept}")
    return 0


def reload(arguments: argparse.Namespace) -> int:
    """`fwhelpers reload`."""

    async def scenario(service: Service) -> dict[str, Any]:
        (found,) = await service.manager("Reload", "a{sv}", {})
        return dict(found)

    found = ask(scenario)
    if arguments.json:
        print_json(found)
    else:
        print(f"reloaded: {', '.join(found['helpers']) or 'no helper enabled'}")
    return 0
