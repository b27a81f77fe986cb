"""`fwhelpers cluster status`: the state of a pair of gateways."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from fwhelpers import config
from fwhelpers.cli import conntrackd, keepalived, replication_state
from fwhelpers.cli.check_gateways import read_text, synchronisation, value_of, words_of
from fwhelpers.cli.common import print_json
from fwhelpers.cli.errors import CliError
from fwhelpers.cli.printable import printable
from fwhelpers.cli.takeover import Result
from fwhelpers.daemon import takeover_record
from fwhelpers.firewalld.diagnostics import Diagnostic

Values = Mapping[str, Any]


def cluster(arguments: argparse.Namespace) -> int:
    """Print the state. Return 3 if it has a problem, as `status` does."""
    replication = config.load(arguments.config).replication
    state = collect(arguments.conntrackd, arguments.keepalived, replication)
    if arguments.json:
        print_json(state)
    else:
        print("\n".join(map(printable, _lines(state))))
    return 3 if state["problems"] else 0


def collect(
    conf: Path, vrrp: Path, replication: config.ReplicationConfig | None = None
) -> dict[str, Any]:
    """Return all that can be told here, with None for what is not configured."""
    synchronised = _conntrackd(conf)
    replicated = replication_state.collect(replication)
    active = _keepalived(vrrp)
    findings = synchronisation(conf, vrrp, replicated=replication is not None)
    mistakes = [finding for finding in findings if isinstance(finding, Diagnostic)]
    record = takeover_record.read()
    return {
        "conntrackd": synchronised,
        "replication": replicated,
        "keepalived": active,
        "takeovers": record.total,
        "last_takeover": record.takeovers[-1]._asdict() if record.takeovers else None,
        "problems": [
            *_problems(synchronised, active),
            *map(asdict, replication_state.problems(replicated)),
            *map(asdict, mistakes),
        ],
    }


def _conntrackd(conf: Path) -> dict[str, Any] | None:
    words = words_of(read_text(conf))
    if "Sync" not in words:
        return None
    state: dict[str, Any] = {"mode": value_of(words, "Mode"), "error": ""}
    ask = partial(conntrackd.query, conf)
    try:
        link = conntrackd.link(ask())
        for kind, name in (("connections", "ct"), ("expectations", "expect")):
            counts = conntrackd.replication(ask(name))
            state[kind] = counts and counts._asdict()
        state |= {"lost": link.lost, "errors": link.errors}
        state["unacknowledged"] = conntrackd.unacknowledged(ask("rsqueue"))
        # in the mode ALARM conntrackd is silent while nothing changes
        state["heard"] = None if state["mode"] == "ALARM" else conntrackd.hears(ask)
    except CliError as error:
        state["error"] = str(error)
    return state


def _keepalived(path: Path) -> dict[str, Any] | None:
    addresses = keepalived.parse(read_text(path)).addresses()
    own = _own_addresses()
    if not addresses or own is None:
        return None
    state = keepalived.state_of(addresses, own)
    return {"state": state, "addresses": {address: address in own for address in addresses}}


def _own_addresses() -> set[str] | None:
    try:
        from pyroute2 import IPRoute
    except ImportError:
        return None
    with IPRoute() as netlink:
        messages = list(netlink.get_addr())
    return {m.get_attr("IFA_LOCAL") or m.get_attr("IFA_ADDRESS") for m in messages}


def _problems(synchronised: Values | None, active: Values | None) -> Iterator[dict[str, str]]:
    if synchronised and synchronised["error"]:
        hint = "systemctl status conntrackd; its control socket is for root only"
        yield asdict(Diagnostic("conntrackd", synchronised["error"], hint))
    if synchronised and synchronised.get("heard") is False:
        problem = (
            f"the other gateway's conntrackd has sent nothing for {conntrackd.HEARTBEATS:.0f} s"
        )
        yield asdict(Diagnostic("conntrackd", problem, "is it running, is the link up?"))
    if active and active["state"] == "partly active":
        problem = "some virtual addresses are here, others are not: both gateways may be active"
        yield asdict(Diagnostic("keepalived", problem, "use one vrrp_sync_group"))


def _lines(state: Values) -> Iterator[str]:
    yield from _conntrackd_lines(state["conntrackd"])
    yield from replication_state.lines(state["replication"])
    active = state["keepalived"]
    if active is None:
        yield "keepalived: no virtual addresses are configured"
    else:
        present = [address for address, here in active["addresses"].items() if here]
        yield f"keepalived: {active['state']}, this host has {' and '.join(present) or 'none of the virtual addresses'}"
    last = state["last_takeover"]
    if last is None:
        yield "last take-over: none recorded"
    else:
        clock = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(last["time"]))
        result = Result(last["kept"], last["repaired"], last["refused"], last["lost"])
        yield f"last take-over: {clock}, {result.counts()}"
        yield f"take-overs: {state['takeovers']}"
    for problem in state["problems"]:
        yield f"problem: {problem['where']}: {problem['problem']}"
        yield f"  hint: {problem['hint']}"


def _conntrackd_lines(state: Values | None) -> Iterator[str]:
    if state is None:
        yield "conntrackd: not configured to synchronise"
        return
    yield f"conntrackd: mode {state['mode']}, {_peer(state)}"
    if state["error"]:
        return
    for kind in ("connections", "expectations"):
        if counts := state[kind]:
            own, other, failed = counts["own"], counts["other"], counts["failed"]
            yield f"  {kind}: {own} of this gateway, {other} of the other gateway, {failed} not stored"
        else:
            yield f"  {kind}: no caches"
    waiting, lost, errors = (state[key] for key in ("unacknowledged", "lost", "errors"))
    yield f"  messages: {waiting} unacknowledged, {lost} lost, {errors} errors"


def _peer(state: Values) -> str:
    if state["error"]:
        return "state unknown"
    heard = state["heard"]
    if heard is None:
        return "no sign of life in this mode"
    return "the other gateway answers" if heard else "the other gateway is silent"
