"""The part of `fwhelpers check` that looks at other firewalls."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fwhelpers.cli.common import Setup
from fwhelpers.cli.providers import Links
from fwhelpers.config.validators import guess
from fwhelpers.firewalld.assignments import derive_assignments
from fwhelpers.firewalld.diagnostics import Diagnostic, of_firewalld, of_rulesets
from fwhelpers.networkmanager.references import GROUPS, TYPES, references

#: before Linux 6.0: the kernel's own helpers by port, at conntrack's priority
AUTOMATIC = Path("/proc/sys/net/netfilter/nf_conntrack_helper")


def firewalld(ready: Setup) -> Iterator[Diagnostic | str]:
    """Mistakes, and a line on what is well."""
    from fwhelpers.cli.zones import ask_all
    from fwhelpers.dbus.client import LIBRARY, available

    why = available()
    if why and why != LIBRARY:
        yield f"{why}: nothing to follow"
        return
    if why:
        yield Diagnostic(
            "dbus", f"{why}, so neither firewalld nor NetworkManager is followed", "install it"
        )
        return
    asked = ask_all()
    if asked is None:
        yield "firewalld does not run, so nothing is followed"
        return
    found = derive_assignments(asked.snapshot, ready.plugins.helpers)
    acting = sorted({act.helper for act in found.scope.acts})
    yield (
        f"firewalld {asked.snapshot.version}: by its zones act {', '.join(acting) or 'no helpers'}"
    )
    yield from of_firewalld(
        asked.snapshot, found, asked.backend, asked.services, ready.plugins.helpers
    )


def networkmanager(ready: Setup) -> Iterator[Diagnostic | str]:
    """What the configuration's references to NetworkManager's connections and devices mean now."""
    from fwhelpers.cli.zones import ask_links, meaning
    from fwhelpers.dbus.client import available

    named = sorted(references(ready.config))
    why = available() if named else ""
    links = ask_links() if named and not why else None
    if named and links is None:
        why = why or "it does not run"
        hint = "systemctl start NetworkManager, or name interfaces plainly"
        yield Diagnostic(", ".join(named), f"no interface: {why}", hint)
    elif links is not None:
        for name in named:
            yield _unknown(name, links) or meaning(name, links.devices)


def _unknown(reference: str, links: Links) -> Diagnostic | None:
    """A reference that nothing can fit; one that nothing fits now is no mistake."""
    kind, _, name = reference.partition(":")
    known = set(links.profiles.values()) if kind == "connection" else {*TYPES.values(), *GROUPS}
    if name in known or name in links.profiles:
        return None
    return Diagnostic(
        reference, f"NetworkManager has no such {kind}", guess(name, sorted(known), f"{kind}s")
    )


def rulesets() -> Iterator[Diagnostic | str]:
    """The same of all rules that are loaded."""
    from contextlib import closing

    from fwhelpers.kernel.nft import Nft

    with closing(Nft()) as nft:
        objects = nft.objects("ruleset")
    yield f"{sum('table' in one for one in objects)} tables"
    yield from of_rulesets(objects)
    if AUTOMATIC.exists() and AUTOMATIC.read_text().strip() == "1":
        yield Diagnostic(
            "nf_conntrack_helper", "the kernel assigns its own helpers by port, before ours",
            "sysctl -w net.netfilter.nf_conntrack_helper=0, and the same in /etc/sysctl.d",
        )  # fmt: skip
