"""The replication in `fwhelpers cluster status` and in `fwhelpers check`."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Mapping
from typing import Any

from fwhelpers.cli.replicated import problem_of, query
from fwhelpers.config import ReplicationConfig
from fwhelpers.firewalld.diagnostics import Diagnostic

Values = Mapping[str, Any]

WARNING = 30  #: days before a certificate expires
_UNIT = "fwhelpers-replication.service"
_WHERE = "replication"


def collect(config: ReplicationConfig | None) -> dict[str, Any] | None:
    """Return the state; None if replication is not configured."""
    if config is None:
        return None
    try:
        status = query(mark=False).status
    except (OSError, ValueError) as error:
        return {"error": problem_of(error)}
    return {"error": "", "connected": status.connected, **status._asdict()}


def problems(state: Values | None) -> Iterator[Diagnostic]:
    """Yield what is wrong with it."""
    if state is None:
        return
    if state["error"]:
        yield Diagnostic(_WHERE, state["error"], f"systemctl status {_UNIT}; it answers root only")
        return
    if state["detached"]:
        problem = "the service of this gateway reports no expectations to it"
        hint = (
            "systemctl status fwhelpers; systemctl reload fwhelpers after [replication] was added"
        )
        yield Diagnostic(_WHERE, problem, hint)
    if state["connected"]:
        return
    if state["sending"] or state["receiving"]:
        direction = "receives" if state["sending"] else "sends"
        problem = f"this gateway {direction} nothing"
        yield Diagnostic(_WHERE, problem, f"journalctl -u {_UNIT}, on both gateways")
    else:
        problem = "the other gateway is not connected"
        yield Diagnostic(_WHERE, problem, f"journalctl -u {_UNIT}; is the link up?")


def lines(state: Values | None) -> Iterator[str]:
    """Yield the state for people."""
    if state is None:
        return
    if state["error"]:
        yield "replication: state unknown"
        return
    since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(state["since"]))
    connected = "connected" if state["connected"] else "not connected"
    version = f", the other gateway has version {state['version']}" if state["version"] else ""
    lag = f", answers after {1000 * state['lag']:.1f} ms" if state["lag"] is not None else ""
    yield f"replication: {connected} since {since}{version}{lag}"
    received, confirmed = state["received"], state["confirmed"]
    yield f"  expectations: {confirmed} of this gateway there, {received} of the other gateway here"


def diagnose(config: ReplicationConfig | None) -> Iterator[Diagnostic | str]:
    """Yield mistakes in the files of the configuration, and whether the process runs."""
    if config is None:
        return
    from fwhelpers.replication.credentials import faults

    mistakes = [Diagnostic(_WHERE, fault, "see docs/gateways.md") for fault in faults(config)]
    if not mistakes:
        mistakes = list(_expiring(config))
    state = collect(config)
    mistakes += problems(state)
    yield from mistakes
    if not mistakes:
        yield "the other gateway is connected"


def _expiring(config: ReplicationConfig) -> Iterator[Diagnostic]:
    """Ask openssl, as the standard library does not read the dates of a file. Without it nothing is found."""
    for path in (config.certificate, config.peer_certificate):
        argv = ["openssl", "x509", "-noout", "-checkend", str(WARNING * 86400), "-in", str(path)]
        try:
            done = subprocess.run(argv, capture_output=True, timeout=10, check=False)
        except (OSError, subprocess.TimeoutExpired):
            return
        if done.returncode == 1:
            problem = f"the certificate {path} expires within {WARNING} days"
            yield Diagnostic(_WHERE, problem, "make a new one; see docs/gateways.md")
