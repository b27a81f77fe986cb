"""The part of `fwhelpers check` that shows for each protocol which helper acts, ours or the kernel's, and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, suppress

from fwhelpers.api import Helper
from fwhelpers.cli import check_iptables, check_ufw
from fwhelpers.cli.check_firewalls import automatic
from fwhelpers.cli.common import Setup
from fwhelpers.cli.providers import effective
from fwhelpers.config import Config
from fwhelpers.firewalld.diagnostics import Diagnostic
from fwhelpers.firewalld.rulesets import ASSIGN, ForeignAssignment, of_helpers
from fwhelpers.registration import kernel_helpers


def acting(files: Setup) -> Iterator[Diagnostic | str]:
    """Yield a line for each enabled helper and each of the kernel's in use, and what stands in their way."""
    from fwhelpers.kernel.nft import Nft

    active, _ = effective(files)
    by_kernel = [
        helper
        for name, helper in active.enabled.items()
        if active.config.helpers[name].backend == "kernel"
    ]
    with closing(Nft()) as nft:
        missing = kernel_helpers.missing(by_kernel, nft)
        objects = nft.objects("ruleset")
    foreign = [*of_helpers(objects), *check_iptables.assignments(check_iptables.read(objects))]
    with suppress(PermissionError):  # the section on ufw says so
        foreign += check_ufw.assignments(check_ufw.read_files())
    yield from describe(active.config, active.plugins.helpers, foreign, automatic())
    for name, reason in missing.items():
        yield Diagnostic(name, *reason.split(": ", 1))
    for line in kernel_helpers.untranslated(h for h in by_kernel if h.name not in missing):
        name, problem = line.split(": ", 1)
        yield Diagnostic(name, problem, "needed behind NAT only; the package's modprobe.d loads it")


def describe(
    config: Config,
    helpers: Mapping[str, Helper],
    foreign: Iterable[ForeignAssignment],
    by_port: bool = False,
) -> Iterator[str]:
    """Yield the lines. `foreign`: assignments by other tables; `by_port`: the kernel assigns by port."""
    others = list(foreign)
    for name, helper in helpers.items():
        names = {kernel.name for kernel in helper.kernel}
        rivals = [other for other in others if other.kind in names]
        if name in config.helpers:
            yield f"{name}: {_acts(config, helper, rivals, by_port and bool(names))}"
        elif rivals:
            yield f"{name}: the kernel's, {_places(rivals)}; [helpers.{name}] is not enabled"


def _acts(
    config: Config, helper: Helper, rivals: Sequence[ForeignAssignment], by_port: bool
) -> str:
    if config.helpers[helper.name].backend == "kernel":
        names = ", ".join(dict.fromkeys(kernel.name for kernel in helper.kernel))
        return f'the kernel\'s ({names}), by backend = "kernel"'
    earlier = [rival for rival in rivals if rival.priority < ASSIGN]
    if by_port:
        return "the kernel's, by port before our rules (nf_conntrack_helper = 1); ours for what it leaves"
    if earlier:
        return f"the kernel's, {_places(earlier)} before our rules; ours for what they leave"
    if rivals:
        return f"ours ({helper.kernel_name}); the kernel's for what we leave, {_places(rivals)}"
    equal = "" if helper.kernel else "; the kernel has none"
    return f"ours ({helper.kernel_name}){equal}"


def _places(rivals: Iterable[ForeignAssignment]) -> str:
    return "by " + ", ".join(dict.fromkeys(f"{r.chain} at priority {r.priority}" for r in rivals))
