"""Register all helpers and pin them; take both back.

Registration outlives the daemon on purpose: when firewalld reloads while a helper that its rules name is missing, its
table ends up empty and the host open. So every installed helper stays registered, disabled (a disabled helper queues
nothing and blocks nothing), and a table of ours without owner keeps a reference to each.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import closing, suppress
from errno import EBUSY

from fwhelpers.api import Helper
from fwhelpers.daemon.runtime_dir import RUNTIME, AlreadyRunning, is_locked
from fwhelpers.kernel import expect
from fwhelpers.kernel.cthelper import CtHelper
from fwhelpers.kernel.nfnl import NetlinkError
from fwhelpers.kernel.nft import Nft
from fwhelpers.kernel.socket import NetlinkSocket
from fwhelpers.registration.cthelpers import CtHelperTable, is_ours
from fwhelpers.ruleset import PIN_TABLE, pin_table, unpin

RELEASE_TRIES, RELEASE_PAUSE = 50, 0.1  #: how often, and seconds between


class HelperInUse(Exception):
    """Helpers can't be removed: something refers to them."""


def register(
    helpers: Mapping[str, Helper], nft: Nft | None = None, pin: bool = True
) -> dict[str, str]:
    """Register all, and pin what is registered. Returns problems by helper name.

    Without `pin` no nftables transaction is begun: the kernel may hold one open that waits for us (request_module in
    nf_conntrack_helper_try_module_get).
    """
    problems = CtHelperTable().register(helpers.values())
    _load_ctnetlink()
    if not pin:
        return problems
    good = [h for name, h in helpers.items() if name not in problems]
    (nft or Nft()).run(pin_table(good))
    return problems


def _load_ctnetlink() -> None:
    """Have the kernel load nf_conntrack_netlink, should it be gone.

    `firewall-cmd --complete-reload` removes it. Any request brings it back; a queued packet does not, it comes without
    its connection then (nfnetlink_queue.c: nfnl_ct_hook), and nothing can be expected for it.
    """
    with suppress(OSError), closing(NetlinkSocket()) as netlink:
        list(netlink.dump(expect.encode_dump(), "list expectations"))


def unregister() -> list[str]:
    """Remove the pins and all our helpers; returns the removed names.

    Raises, with nothing changed: Locked while the service runs (it would restore them at once), Registered while some
    other table refers to one of them.
    """
    if is_locked(RUNTIME):
        raise AlreadyRunning(
            f"the service is running ({RUNTIME}/lock is held), and keeps them registered"
        )
    nft = Nft()
    registry = CtHelperTable()
    ours = [h for h in registry.present() if is_ours(h)]
    users = _users(nft, {h.name for h in ours})
    if users:
        raise HelperInUse(f"helpers are in use by nftables table {', '.join(sorted(users))}")
    nft.run(unpin())
    for helper in ours:
        _delete(registry, helper)
    return sorted({h.name for h in ours})


def _delete(registry: CtHelperTable, helper: CtHelper) -> None:
    # the kernel frees a deleted table's references a little later (nf_tables_trans_destroy_work)
    for _ in range(RELEASE_TRIES):
        try:
            registry.delete(helper)
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
