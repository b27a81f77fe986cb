"""Helpers as the rules assign them: ours, or the kernel's own (`backend = "kernel"`)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from fwhelpers.api import Helper
from fwhelpers.config import HelperConfig
from fwhelpers.ruleset.syntax import CHECK_TABLE, block, identifier, transport, whole_table


def acting(config: HelperConfig, helper: Helper) -> Helper:
    """Return the helper with the transports of the one that acts, and without what only our parsers do."""
    if config.backend == "user":
        return helper
    return replace(
        helper,
        l4=tuple(kernel.l4 for kernel in helper.kernel),
        children=(),
        redirects=False,
        client_announces=False,
        unicast=False,
        listen_for=b"",
    )


def object_name(helper: Helper, l4: str) -> str:
    """Return the name of a helper's nftables object."""
    return identifier(f"{helper.name}-{transport(l4)}")


def user_objects(helper: Helper) -> Iterator[list[str]]:
    """Yield the objects of our helper."""
    for l4 in helper.registered:
        kind = f'type "{identifier(helper.kernel_name)}" protocol {transport(l4)}'
        yield block(f"ct helper {object_name(helper, l4)}", [kind])


def kernel_objects(helper: Helper) -> Iterator[list[str]]:
    """Yield the objects of the kernel's helpers for the same protocol."""
    for kernel in helper.kernel:
        lines = [f'type "{identifier(kernel.name)}" protocol {transport(kernel.l4)}']
        # for a family without helper the kernel would start modprobe each time (nft_ct_helper_obj_init())
        if tuple(kernel.families) == (4,):
            lines.append("l3proto ip")
        yield block(f"ct helper {object_name(helper, kernel.l4)}", lines)


def kernel_table(helper: Helper) -> str:
    """Return a table with these objects, for a dry run: it fails if the kernel lacks one of them."""
    return whole_table(CHECK_TABLE, list(kernel_objects(helper)))
