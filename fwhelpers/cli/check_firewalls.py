"""The part of `fwhelpers check` that examines other firewalls."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fwhelpers.cli import check_iptables, check_ufw, providers
from fwhelpers.cli.common import Setup
from fwhelpers.cli.providers import NetworkManager
from fwhelpers.config.validators import suggest
from fwhelpers.firewalld.assignments import derive_assignments
from fwhelpers.firewalld.diagnostics import Diagnostic, of_firewalld
from fwhelpers.firewalld.rulesets import of_rulesets
from fwhelpers.networkmanager.references import GROUPS, TYPES, references

#: before Linux 6.0: the kernel assigns its own helpers by port, at conntrack's priority
AUTOMATIC = Path("/proc/sys/net/netfilter/nf_conntrack_helper")


def firewalld(setup: Setup) -> Iterator[Diagnostic | str]:
    """Diagnostics of firewalld and its zones, and a line on its state."""
    from fwhelpers.dbus.address import unavailable
    from fwhelpers.dbus.errors import MissingLibrary

    error = unavailable()
    if isinstance(error, MissingLibrary):
        text = f"{error}; neither firewalld nor NetworkManager is followed"
        yield Diagnostic("dbus", text, "install it")
        return
    if error:
        yield f"{error}; firewalld is not followed"
        return
    firewalld = providers.query_firewalld()
    if firewalld is None:
        yield "firewalld is not running"
        return
    result = derive_assignments(firewalld.snapshot, setup.plugins.helpers)
    helpers = sorted({assignment.helper for assignment in result.scope.assignments})
    version = firewalld.snapshot.version
    yield f"firewalld {version}: its zones enable {', '.join(helpers) or 'no helpers'}"
    yield from of_firewalld(
        firewalld.snapshot, result, firewalld.backend, firewalld.services, setup.plugins.helpers
    )


def networkmanager(setup: Setup) -> Iterator[Diagnostic | str]:
    """Yield the interfaces that each reference matches now, and references that never match."""
    from fwhelpers.cli.zones import describe_interface
    from fwhelpers.dbus.address import unavailable

    named = sorted(references(setup.config))
    if not named:
        return
    error = unavailable()
    manager = providers.query_networkmanager() if error is None else None
    if manager is None:
        reason = str(error) if error else "NetworkManager is not running"
        start = "systemctl start NetworkManager, or " if error is None else ""
        hint = f"{start}replace the references by interface names"
        yield Diagnostic(", ".join(named), f"no interface: {reason}", hint)
        return
    for name in named:
        yield _diagnose(name, manager) or describe_interface(name, manager.devices)


def _diagnose(reference: str, manager: NetworkManager) -> Diagnostic | None:
    """Diagnose a reference that can never match; one without a match at the moment is no mistake."""
    kind, _, name = reference.partition(":")
    profiles = kind == "profile"
    names = set(manager.profiles.values()) if profiles else {*TYPES.values(), *GROUPS}
    if name in names or name in manager.profiles:
        return None
    text = f"NetworkManager has no such {'profile' if profiles else 'device type'}"
    return Diagnostic(reference, text, suggest(name, sorted(names), f"{kind}s"))


def ufw(setup: Setup) -> Iterator[Diagnostic | str]:
    """Diagnostics of ufw's files, and what it accepts; nothing if it is not enabled."""
    from contextlib import closing

    from fwhelpers.kernel.nft import Nft

    by_port = automatic()
    with closing(Nft()) as nft:
        yield from check_ufw.rules(setup, by_port, nft.objects("ruleset"))


def automatic() -> bool:
    """Return whether the kernel assigns its own helpers by port (before Linux 6.0)."""
    return AUTOMATIC.exists() and AUTOMATIC.read_text().strip() == "1"


def rulesets(setup: Setup) -> Iterator[Diagnostic | str]:
    """Diagnostics of all rules in the kernel, and the number of tables."""
    from contextlib import closing

    from fwhelpers.kernel.nft import Nft

    with closing(Nft()) as nft:
        objects = nft.objects("ruleset")
    yield f"{sum('table' in item for item in objects)} tables"
    config = providers.effective(setup)[0].config
    helpers = setup.plugins.helpers
    enabled = [(inspected, helpers[name]) for name, inspected in config.inspected.items()]
    yield from of_rulesets(objects, enabled)
    yield from check_iptables.diagnose(check_iptables.read(objects), enabled)
    if automatic():
        yield Diagnostic(
            "nf_conntrack_helper",
            "the kernel assigns its own helpers by port, before ours",
            "sysctl -w net.netfilter.nf_conntrack_helper=0, and the same in /etc/sysctl.d",
        )
