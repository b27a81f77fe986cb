"""The kernel's own helpers, which `backend = "kernel"` assigns: are they there, with their translation?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from fwhelpers.api import Helper
from fwhelpers.kernel.nft import Nft, NftError
from fwhelpers.ruleset.backend import kernel_table

LOADED = Path("/sys/module")


def missing(helpers: Iterable[Helper], nft: Nft) -> dict[str, str]:
    """Return the reason for each helper (by name) that the kernel does not have.

    The dry run makes the kernel load the module (nf_conntrack_helper_try_module_get()), so this works without the
    right to do it.
    """
    reasons = {}
    for helper in helpers:
        try:
            nft.check(kernel_table(helper))
        except NftError:
            modules = ", ".join(dict.fromkeys(kernel.module for kernel in helper.kernel))
            reasons[helper.name] = (
                f"the kernel has no helper of its own: modprobe {modules}, then fwhelpers reload"
            )
    return reasons


def untranslated(helpers: Iterable[Helper], loaded: Path = LOADED) -> Iterator[str]:
    """Yield a line for each module that is not loaded without which NAT does not change announced addresses.

    Neither a rule nor a connection makes the kernel load it.
    """
    for helper in helpers:
        for module in dict.fromkeys(kernel.nat for kernel in helper.kernel if kernel.nat):
            if not (loaded / module).exists():
                yield (
                    f"{helper.name}: the kernel's helper does not work through NAT:"
                    f" module {module} is not loaded (modprobe {module})"
                )
