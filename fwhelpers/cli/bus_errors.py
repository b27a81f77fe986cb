"""Turns what goes wrong on the message bus into one sentence and a remedy.

The words of polkit and of the bus, and names such as org.freedesktop.DBus.Error.NoReply, tell a
user neither what failed nor what to do. They are only repeated where nothing better is known.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from typing import Any, NamedTuple

from fwhelpers.cli.errors import CliError
from fwhelpers.daemon.runtime_dir import RUNTIME, is_locked
from fwhelpers.dbus import names
from fwhelpers.dbus.address import VARIABLE
from fwhelpers.dbus.errors import NO_REPLY, BusError, Disconnected, MissingLibrary, NoBus

START = "start it: systemctl start fwhelpers"
LOG = "see its log: journalctl -u fwhelpers"
RESTART = "restart it after an update: systemctl restart fwhelpers"
_OTHER_VERSION = "the service is of another version: it"


class NotRunning(CliError):
    """The service cannot be reached: there is no bus, or the service is not on it."""


class _Peer(NamedTuple):
    title: str
    unit: str


_PEERS = {
    names.NAME: _Peer("the service", "fwhelpers"),
    "org.fedoraproject.FirewallD1": _Peer("firewalld", "firewalld"),
    "org.freedesktop.NetworkManager": _Peer("NetworkManager", "NetworkManager"),
    names.BUS: _Peer("the message bus", "dbus"),
}

#: what a method of the service does, and polkit's action for it
_ACTIONS = {
    "List": ("list expectations", names.DETAILS),
    "ListRefusals": ("list refusals", names.DETAILS),
    "Subscribe": ("follow events", names.DETAILS),
    "GetRuleset": ("read the ruleset", names.DETAILS),
    "CheckKernel": ("check the kernel", names.DETAILS),
    "EnableHelper": ("enable helpers", names.MANAGE),
    "DisableHelper": ("disable helpers", names.MANAGE),
    "Reload": ("reload the configuration", names.RELOAD),
}

_ERROR = "org.freedesktop.DBus.Error."
_NOT_ON_BUS = {names.SERVICE_UNKNOWN, names.NAME_HAS_NO_OWNER}
_NO_ANSWER = {NO_REPLY, f"{_ERROR}Timeout", f"{_ERROR}TimedOut"}
#: replies of a service of another version
_UNKNOWN = {
    names.UNKNOWN_METHOD, names.UNKNOWN_OBJECT, names.UNKNOWN_INTERFACE, names.UNKNOWN_PROPERTY,
    names.INVALID_ARGS,
}  # fmt: skip
#: errors whose text is our service's, for people
_HINTS = {
    names.INVALID_CONFIGURATION: "`fwhelpers check` examines the files; the former configuration stays active",
    names.NOT_APPLIED: "the former configuration stays active",
    names.NO_SUCH_HELPER: "`fwhelpers list` shows the installed helpers",
    names.NOT_PERSISTED: "nothing was changed; without --persist the change lasts until the next reload",
    names.LIMIT: "the service serves too many clients; try again later",
}


def explain(error: BusError, name: str = names.NAME) -> CliError:
    """Return the error message of a failed call: what failed, where, and what to do.

    `name`: the bus name of the service, where the error does not know whom it called.
    """
    if isinstance(error, MissingLibrary):
        return CliError(str(error), "install it, or use `fwhelpers counters`, which needs no D-Bus")
    if isinstance(error, NoBus):
        return NotRunning(f"cannot reach the service: {error}", bus_hint(error))
    if isinstance(error, Disconnected):
        return CliError(str(error), "check the message bus: systemctl status dbus")
    if error.name in _HINTS:
        return CliError(error.text, _HINTS[error.name])
    name = error.peer or name
    peer = _PEERS.get(name, _Peer(name, name))
    if error.name in _NOT_ON_BUS:
        if peer.unit == "fwhelpers":
            return not_on_bus()
        return CliError(f"{peer.title} is not running", f"start it: systemctl start {peer.unit}")
    return _explain_reply(error, peer)


def _explain_reply(error: BusError, peer: _Peer) -> CliError:
    member = error.method.rpartition(".")[2] or "a call"
    log = f"see its log: journalctl -u {peer.unit}"
    if is_denial(error):
        return _denied(error, peer, member)
    if error.name in _NO_ANSWER:
        return CliError(f"{peer.title} did not reply to {member}", log)
    if error.name in _UNKNOWN and peer.unit == "fwhelpers":
        return CliError(f"{_OTHER_VERSION} does not know {member}", RESTART)
    if error.name == names.FAILED:
        return CliError(f"the service failed to carry out {member}: internal error", log)
    words = one_line(error.text)
    reason = f"{words} ({error.name})" if words != error.name else words
    return CliError(f"{peer.title} replied to {member} with an unexpected error: {reason}", log)


def is_denial(error: BusError) -> bool:
    """Return whether polkit or the policy of the bus has refused a call."""
    return "NotAuthorized" in error.name or error.name == names.ACCESS_DENIED


def _denied(error: BusError, peer: _Peer, member: str) -> CliError:
    purpose, action = _ACTIONS.get(member, (f"call {member} of {peer.title}", ""))
    if peer.unit != "fwhelpers":
        return CliError(
            f"{peer.title} does not authorize this user to call {member}", "run as root"
        )
    if error.name == names.ACCESS_DENIED:
        text = f"this user may not {purpose}: the policy of the message bus denies access to the service"
        return CliError(text, "run as root, or see /usr/share/dbus-1/system.d")
    reason = one_line(error.text).partition(" because ")[2]  # such as: polkit is not installed
    text = f"this user may not {purpose}" + (f": {reason}" if reason else "")
    rule = f", or add a polkit rule that allows {action}" if action and not reason else ""
    return CliError(text, f"run as root{rule}")


def one_line(text: str) -> str:
    """Return a text without line ends."""
    return " ".join(text.split())


def bus_hint(error: NoBus) -> str:
    """Return the remedy for a message bus that cannot be reached."""
    if os.environ.get(VARIABLE):
        return f"{VARIABLE} is set to {os.environ[VARIABLE]}; correct or unset it"
    if error.errno in (errno.ENOENT, errno.ECONNREFUSED):
        return "start the system message bus: systemctl start dbus.socket"
    return "check the system message bus: systemctl status dbus.socket"


def not_on_bus() -> NotRunning:
    """Return the error for a service without a bus name; it may be running nevertheless."""
    try:
        running = is_locked(RUNTIME)
    except OSError:
        running = False
    if running:
        return NotRunning("the service is running, but not on the message bus", LOG)
    return NotRunning("the service is not running", START)


class Values(dict[str, Any]):
    """A dictionary of a reply. A key that a command needs and that is missing is the service's age."""

    def __missing__(self, key: str) -> Any:
        raise CliError(f"{_OTHER_VERSION} does not report {key!a}", RESTART)


def checked(value: Any) -> Any:
    """Return a reply's value with `Values` for its dictionaries."""
    if isinstance(value, Mapping):
        return Values((key, checked(inner)) for key, inner in value.items())
    if isinstance(value, (list, tuple)):
        return [checked(inner) for inner in value]
    return value
