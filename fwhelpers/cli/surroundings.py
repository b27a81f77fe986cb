"""The part of `fwhelpers check` that looks at other firewalls."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from fwhelpers.cli.common import Setup
from fwhelpers.zones.acts import read
from fwhelpers.zones.mistakes import Mistake, of_firewalld, of_rulesets

#: before Linux 6.0: the kernel's own helpers by port, at conntrack's priority
AUTOMATIC = Path("/proc/sys/net/netfilter/nf_conntrack_helper")


def firewalld(ready: Setup) -> Iterator[Mistake | str]:
    """Mistakes, and a line on what is well."""
    from fwhelpers.cli.zones import ask_all
    from fwhelpers.daemon.dbus_client import LIBRARY, available

    why = available()
    if why and why != LIBRARY:
        yield f"{why}: nothing to follow"
        return
    if why:
        yield Mistake(
            "dbus", f"{why}, so neither firewalld nor NetworkManager is followed", "install it"
        )
        return
    asked = ask_all()
    if asked is None:
        yield "firewalld does not run, so nothing is followed"
        return
    found = read(asked.snapshot, ready.plugins.helpers)
    acting = sorted({act.helper for act in found.scope.acts})
    yield (
        f"firewalld {asked.snapshot.version}: by its zones act {', '.join(acting) or 'no helpers'}"
    )
    yield from of_firewalld(
        asked.snapshot, found, asked.backend, asked.services, ready.plugins.helpers
    )


def rulesets() -> Iterator[Mistake | str]:
    """The same of all rules that are loaded."""
    from contextlib import closing

    from fwhelpers.kernel.nft import Nft

    with closing(Nft()) as nft:
        objects = nft.objects("ruleset")
    yield f"{sum('table' in one for one in objects)} tables"
    yield from of_rulesets(objects)
    if AUTOMATIC.exists() and AUTOMATIC.read_text().strip() == "1":
        yield Mistake(
            "nf_conntrack_helper", "the kernel assigns its own helpers by port, before ours",
            "sysctl -w net.netfilter.nf_conntrack_helper=0, and the same in /etc/sysctl.d",
        )  # fmt: skip
