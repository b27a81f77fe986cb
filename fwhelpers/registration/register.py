"""Registers all helpers and pins them, and undoes both.

Registration outlives the service on purpose: when firewalld reloads while a helper that its rules name is missing, its
table ends up empty and the host open. So every installed helper stays registered, disabled (a disabled helper queues
nothing and blocks nothing), and a table without owner, the pins, holds a reference to each.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import closing, suppress
from errno import EBUSY

from fwhelpers.api import Helper
from fwhelpers.kernel import expect
from fwhelpers.kernel.cthelper import CtHelper
from fwhelpers.kernel.nfnl import NetlinkError
from fwhelpers.kernel.nft import Nft
from fwhelpers.kernel.socket import NetlinkSocket
from fwhelpers.registration.cthelpers import CtHelperTable, is_ours
from fwhelpers.ruleset import PIN_TABLE, pin_table, unpin

RELEASE_TRIES, RELEASE_PAUSE = 50, 0.1  #: number, and seconds between


class HelperInUse(Exception):
    """Something refers to a helper, so that it can't be removed."""


def register(
    helpers: Mapping[str, Helper], nft: Nft | None = None, pin: bool = True
) -> dict[str, str]:
    """Register all, and pin the registered ones. Returns problems by helper name.

    Without `pin` no nftables transaction is begun: the kernel may hold one open that waits for us (request_module in
    nf_conntrack_helper_try_module_get).
    """
    problems = CtHelperTable().register(helpers.values())
    _load_ctnetlink()
    if pin:
        registered = [h for name, h in helpers.items() if name not in problems]
        (nft or Nft()).run(pin_table(registered))
    return problems


def _load_ctnetlink() -> None:
    """Have the kernel load nf_conntrack_netlink if it is missing.

    `firewall-cmd --complete-reload` removes it. Any request loads it again, but a queued packet does not: it then comes
    without its connection (nfnetlink_queue.c: nfnl_ct_hook), and nothing can be expected for it.
    """
    with suppress(OSError), closing(NetlinkSocket()) as netlink:
        list(netlink.dump(expect.encode_dump(), "list expectations"))


def unregister() -> list[str]:
    """Remove the pins and all our helpers; returns the removed names. The service must not run: it would restore them.

    Raises HelperInUse, with nothing changed, while another table refers to one of them.
    """
    nft = Nft()
    table = CtHelperTable()
    ours = [h for h in table.read() if is_ours(h)]
    names = {h.name for h in ours}
    users = _users(nft, names)
    if users:
        raise HelperInUse(f"helpers are in use by nftables table {', '.join(sorted(users))}")
    nft.run(unpin())
    for helper in ours:
        _delete(table, helper)
    return sorted(names)


def _delete(table: CtHelperTable, helper: CtHelper) -> None:
    # the kernel frees a deleted table's references a little later (nf_tables_trans_destroy_work)
    for _ in range(RELEASE_TRIES):
        try:
            table.delete(helper)
            return
        except NetlinkError as error:
            if error.errno != EBUSY:
                raise
            time.sleep(RELEASE_PAUSE)
    raise HelperInUse(f"helper {helper} is in use")


def _users(nft: Nft, names: set[str]) -> set[str]:
    return {
        f"{o['family']} {o['table']}"
        for o in nft.ct_helpers()
        if o.get("type") in names and o["table"] != PIN_TABLE
    }
