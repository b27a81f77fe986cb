"""Queries the service, the kernel and firewalld about a connection, and notes which could not be queried."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from fwhelpers.api import Endpoint
from fwhelpers.cli import bus_errors, providers
from fwhelpers.cli.bus_errors import NotRunning
from fwhelpers.cli.client import Service, ask
from fwhelpers.cli.errors import PRIVILEGES, CliError, explain
from fwhelpers.cli.explain.question import Question, Values
from fwhelpers.cli.explain.rule_walk import Ruleset
from fwhelpers.dbus.errors import BusError
from fwhelpers.events.serialize import ends, masked
from fwhelpers.firewalld.model import Snapshot
from fwhelpers.kernel import conntrack, expect
from fwhelpers.kernel.features import Kernel
from fwhelpers.kernel.nft import Nft, NftError
from fwhelpers.kernel.nla import DecodeError
from fwhelpers.kernel.probe import has_net_admin
from fwhelpers.kernel.socket import NetlinkSocket

_LOCAL = 2  #: RTN_LOCAL
ROOT = "requires root"


@dataclass(slots=True)
class State:
    """All that is known about the connection. None stands for a source that could not be queried."""

    service: Values | None = None  #: properties of the service; empty if it is not running
    absence: str = ""  #: why the service does not answer
    helpers: list[dict[str, Any]] = field(default_factory=list)  #: the installed ones
    expectations: list[dict[str, Any]] | None = None
    refusals: list[dict[str, Any]] | None = None
    entries: list[dict[str, Any]] | None = None  #: conntrack's, with `helper` and perhaps `master`
    ruleset: Ruleset | None = None
    routes: dict[str, tuple[str, bool]] = field(default_factory=dict)  #: interface, and is it ours?
    zones: Snapshot | None = None
    modules: list[str] = field(default_factory=list)  #: the kernel's own helpers that are loaded
    not_queried: dict[str, str] = field(default_factory=dict)  #: reason by source


def collect(question: Question) -> State:
    """Query all sources. Raises nothing that a source may raise: `State.not_queried` has it."""
    state = State()
    for source in (_ask_service, _ask_expectations, _ask_conntrack, _ask_ruleset, _ask_routes):
        source(state, question)
    try:
        firewalld = providers.query_firewalld()
        state.zones = firewalld.snapshot if firewalld else None
    except CliError as error:
        state.not_queried["firewalld"] = with_hint(error)
    names = ("ftp", "tftp", "irc", "sip", "h323", "sane", "amanda", "netbios_ns", "snmp", "pptp")
    modules = (f"nf_conntrack_{name}" for name in names)
    state.modules = [module for module in modules if Kernel().is_loaded(module)]
    return state


def _ask_service(state: State, question: Question) -> None:
    async def scenario(service: Service) -> None:
        summary = await service.summary()
        state.service = {key: summary[key] for key in ("Version", "Steering", "Problems")}
        state.helpers = await service.manager("ListHelpers")
        state.expectations = await _permitted(state, "expectations", lambda: _list(service))
        state.refusals = await _permitted(
            state, "refusals", lambda: service.expectations("ListRefusals", "a{sv}", {})
        )

    try:
        ask(scenario)
    except NotRunning as error:
        state.service, state.absence = {}, with_hint(error)
    except CliError as error:
        state.not_queried["service"] = with_hint(error)


def _kernel_problem(error: Exception) -> str:
    if getattr(error, "errno", None) in (errno.EPERM, errno.EACCES):
        return ROOT
    text, hint = explain(error)
    return ROOT if hint == PRIVILEGES else text


def with_hint(error: CliError) -> str:
    """Return what failed and what to do, on one line."""
    return f"{error} ({error.hint})" if error.hint else str(error)


async def _permitted(
    state: State, name: str, call: Callable[[], Awaitable[list[dict[str, Any]]]]
) -> list[dict[str, Any]] | None:
    try:
        return await call()
    except BusError as error:
        state.not_queried[name] = with_hint(bus_errors.explain(error))
        return None


async def _list(service: Service) -> list[dict[str, Any]]:
    from fwhelpers.dbus.fields import Typed

    rows, after = await service.expectations("List", "a{sv}", {})
    while after:
        page, after = await service.expectations("List", "a{sv}", {"after": Typed("s", after)})
        rows += page
    return list(rows)


def _ask_expectations(state: State, _: Question) -> None:
    """Add the kernel's expectations that the service does not list, such as those of its own helpers."""
    try:
        kernels = [from_kernel(e) for e in _dump(expect.encode_dump(), expect.parse_expectation)]
    except OSError as error:
        if state.expectations is None:
            state.not_queried.setdefault("expectations", _kernel_problem(error))
        return
    listed = state.expectations or []
    known_keys = {_key(values) for values in listed if values["state"] == "pending"}
    state.expectations = listed + [v for v in kernels if _key(v) not in known_keys]
    state.not_queried.pop("expectations", None)


def _key(values: Values) -> tuple[object, ...]:
    names = ("transport", "source", "source_port", "destination", "destination_port")
    return tuple(values[name] for name in names)


def from_kernel(expectation: expect.Expectation) -> dict[str, Any]:
    """Return an expectation with the keys of the D-Bus API; its age is not known."""
    inactive = bool(expectation.flags & expect.INACTIVE)
    fields: dict[str, Any] = {
        "helper": expectation.helper, "state": "pending", "remaining": expectation.timeout,
        "flags": ["inactive"] if inactive else [], "zone": expectation.zone,
        **masked(expectation), "master": ends(expectation.master), "connections": [],
    }  # fmt: skip
    if expectation.nat is not None:
        end = Endpoint(expectation.nat.src, expectation.nat.sport)
        fields["nat"] = {"address": end.host, "port": end.port}
    return fields


def _ask_conntrack(state: State, question: Question) -> None:
    family = conntrack.AF_INET if question.source.version == 4 else conntrack.AF_INET6
    hosts = (question.source.packed, question.destination.packed)
    try:
        entries = _dump(conntrack.encode_dump(family), conntrack.parse_conntrack, hosts)
        state.entries = [_entry(entry) for entry in entries]
    except OSError as error:
        state.not_queried["conntrack"] = _kernel_problem(error)


def _entry(entry: conntrack.Conntrack) -> dict[str, Any]:
    master = {"master": ends(entry.master)} if entry.master else {}
    return {**ends(entry.orig, entry.reply), "helper": entry.helper, **master}


def _dump(
    request: bytes, parse: Callable[[bytes], Any], parts: tuple[bytes, ...] = ()
) -> Iterator[Any]:
    """Yield the entries of a dump that contain all of `parts`. Raises OSError."""
    with closing(NetlinkSocket()) as netlink:
        for payload in netlink.dump(request, "list the kernel's connections"):
            if all(part in payload for part in parts):
                try:
                    yield parse(payload)
                except DecodeError:  # a connection of another protocol than TCP or UDP
                    continue


def _ask_ruleset(state: State, _: Question) -> None:
    if not has_net_admin():  # libnftables would complain on stderr
        state.not_queried["ruleset"] = ROOT
        return
    try:
        with closing(Nft()) as nft:
            listing = nft.listing()
            # not `list ruleset`, see Nft.objects
            objects = [o for kind in ("chains", "sets", "maps") for o in nft.objects(kind)]
            for item in [o["chain"] for o in objects if "chain" in o]:
                place = f"{item['family']} {item['table']} {item['name']}"
                objects += [o for o in nft.objects(f"chain {place}") if "rule" in o]
            objects += [{"ct helper": value} for value in nft.ct_helpers()]
    except (NftError, OSError) as error:
        state.not_queried["ruleset"] = _kernel_problem(error)
        return
    state.ruleset = Ruleset.parse(objects, listing)


def _ask_routes(state: State, question: Question) -> None:
    try:
        from pyroute2 import IPRoute
    except ImportError:
        state.not_queried["routes"] = "pyroute2 is not installed"
        return
    with IPRoute() as routes:
        for address in map(str, (question.source, question.destination)):
            try:
                (route, *_) = routes.route("get", dst=address)
                interface = socket.if_indextoname(route.get_attr("RTA_OIF"))
            except Exception as error:  # each version of pyroute2 has errors of its own
                state.not_queried[f"route to {address}"] = _route_problem(error)
                continue
            state.routes[address] = (interface, route["type"] == _LOCAL)


def _route_problem(error: Exception) -> str:
    """Return the kernel's reason; the text of pyroute2's errors is that of a tuple."""
    code = getattr(error, "code", None)
    return os.strerror(code) if isinstance(code, int) else str(error)
