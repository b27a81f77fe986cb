"""`fwhelpers replay`: print the expectations that helpers create from a capture."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

from fwhelpers import config
from fwhelpers.api import Helper
from fwhelpers.cli.common import Setup, print_line, warn
from fwhelpers.cli.errors import CliError, UsageError
from fwhelpers.cli.printable import printable
from fwhelpers.config.validators import suggest
from fwhelpers.engine.guard import Limits, Prefix
from fwhelpers.kernel.transports import PORTLESS
from fwhelpers.plugin import manager as plugins


def replay(arguments: argparse.Namespace) -> int:
    """Print one expectation per line."""
    if arguments.anonymise and not arguments.report:
        raise UsageError("--anonymise requires --report", "for example --report capture.html")
    if not arguments.file.is_file():
        reason = "not a file" if arguments.file.exists() else "no such file"
        raise CliError(f"{arguments.file}: {reason}", "give a pcap, pcapng or snoop file")
    helpers, settings, limits = _chosen(arguments)
    links = [_prefix(text) for text in arguments.link]
    empty = True
    try:
        for item in _announcements(arguments, helpers, settings, limits, links):
            empty = False
            if arguments.json:
                print_line(item)
            else:
                print(printable(describe(item)), flush=True)
    except ValueError as error:
        hint = "convert it: editcap -F pcapng"
        raise CliError(f"{arguments.file}: {error}", hint) from error
    if empty and not arguments.json:
        warn(f"{', '.join(helpers)}: no expectation from this capture")
    return 0


def _announcements(
    arguments: argparse.Namespace,
    helpers: Mapping[str, Helper],
    settings: Mapping[str, Mapping[str, Any]],
    limits: Mapping[str, Limits],
    links: Sequence[Prefix],
) -> Iterator[dict[str, Any]]:
    if arguments.report:
        from fwhelpers.cli.report import replay_and_report

        return replay_and_report(arguments, helpers, settings, limits, links)
    from fwhelpers.testing.replay import replay_file

    return replay_file(arguments.file, helpers, settings, limits, links)


def describe(item: Mapping[str, Any]) -> str:
    """Return a line of text on an expectation."""
    expected = item["expected"]
    text = f"{item['helper']}: {_tuple(item['master'])}: frame {item['trigger']}: "
    if expected is None:
        return f"{text}{item['refused']}"
    if item["refused"] is not None:
        return f"{text}refused {_tuple(expected)}: {item['refused']}"
    match = "no match" if item["data"] is None else f"matched by frame {item['data']}"
    return f"{text}expects {_tuple(expected)}, {match}"


def _prefix(text: str) -> Prefix:
    try:
        network = ip_network(text)
    except ValueError as error:
        raise UsageError(f"--link: {error}", "for example --link 10.0.0.0/16") from error
    return Prefix(network.network_address.packed, network.prefixlen)


def _tuple(ends: Mapping[str, Any]) -> str:
    l4 = ends["l4"]
    source, destination = (_end(ends[at], ends[f"{at[0]}port"], l4) for at in ("src", "dst"))
    return f"{l4} {source} → {destination}"


def _end(address: str | None, port: int | None, l4: str) -> str:
    if l4 in PORTLESS:
        return address or "*"
    shown = "*" if address is None else f"[{address}]" if ":" in address else address
    return f"{shown}:{'*' if port is None else port}"


def _chosen(
    arguments: argparse.Namespace,
) -> tuple[dict[str, Helper], dict[str, Mapping[str, Any]], dict[str, Limits]]:
    from fwhelpers.daemon.worker_config import limits

    setup, enabled = _setup(arguments)
    installed = setup.plugins.helpers
    names = arguments.helper or enabled or list(installed)
    for name in names:
        if name not in installed:
            hint = suggest(name, sorted(installed), "installed helpers")
            raise CliError(f"no such helper: {name}", hint)
    if arguments.port and len(names) != 1:
        raise UsageError("--port requires exactly one --helper")
    chosen = {
        name: replace(installed[name], ports=_ports(arguments, setup, name)) for name in names
    }
    options = {name: setup.config.helpers[name] for name in names}
    settings: dict[str, Mapping[str, Any]] = {
        name: {**helper.settings, "destinations": helper.destinations}
        for name, helper in options.items()
    }
    return chosen, settings, {name: limits(helper.guard) for name, helper in options.items()}


def _setup(arguments: argparse.Namespace) -> tuple[Setup, list[str]]:
    """Return the configuration with settings for every installed helper, and the enabled helpers."""
    draft = config.load(arguments.config)
    if arguments.config == config.DIRECTORY and not draft.tables:
        draft = config.parse([])  # replay works without a configuration
    installed = plugins.load(blocked=draft.daemon.blocked_plugins).with_discovery(draft.rows)
    resolved = config.resolve(draft, installed.helpers, installed.missing_reasons())
    rest = {name: config.default(h) for name, h in installed.helpers.items()}
    full = config.Config(resolved.daemon, {**rest, **resolved.helpers}, resolved.rows)
    return Setup(full, installed), list(resolved.helpers)


def _ports(arguments: argparse.Namespace, setup: Setup, name: str) -> tuple[int, ...]:
    return tuple(arguments.port or setup.config.helpers[name].ports)
