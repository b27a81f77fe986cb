"""Our helper objects in the kernel (nfnetlink_cthelper).

Neither the size of the private data nor the names of the policy classes can change while a helper is registered, so all
of ours have the same: a new version of a plugin can then adopt what an earlier one registered.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from errno import EBUSY

from fwhelpers.api import Helper
from fwhelpers.kernel import cthelper
from fwhelpers.kernel.cthelper import CtHelper, CtPolicy
from fwhelpers.kernel.nfnl import NetlinkError
from fwhelpers.kernel.socket import NetlinkSocket

_L3 = {4: 2, 6: 10}  # AF_INET, AF_INET6
_L4 = {"tcp": 6, "udp": 17}

CLASSES = 4
PRIVATE = 32


def kernel_objects(helper: Helper) -> list[CtHelper]:
    """The kernel objects of a helper: one for each family and transport, disabled.

    For both families, whatever the helper's own: of the one that is missing an object in an inet table would make the
    kernel look for a module, and start modprobe, each time (nft_ct.c: nft_ct_helper_obj_init).
    """
    unused = CtPolicy("", 1, 1)
    given = [CtPolicy("", p.max, p.timeout) for p in helper.policies]
    policies = tuple(
        replace(p, name=f"class{n}") for n, p in enumerate((given + [unused] * CLASSES)[:CLASSES])
    )
    return [
        CtHelper(helper.kernel_name, _L3[family], _L4[l4], priv_len=PRIVATE, policies=policies)
        for family in _L3
        for l4 in helper.registered
    ]


class CtHelperTable:
    """Our helper objects in the kernel."""

    def __init__(self, netlink: NetlinkSocket | None = None) -> None:
        self._netlink = netlink or NetlinkSocket()

    def present(self) -> list[CtHelper]:
        """All user-space helpers of the machine, foreign ones as well."""
        listed = self._netlink.dump(cthelper.encode_dump(), "list helpers (nfnetlink_cthelper)")
        return [cthelper.parse_helper(payload) for payload in listed]

    def register(self, helpers: Iterable[Helper]) -> dict[str, str]:
        """Register or adopt; returns why not, for each helper (by name) that could not be."""
        there = {_key(h): h for h in self.present()}
        problems: dict[str, str] = {}
        for helper in helpers:
            try:
                for wanted in kernel_objects(helper):
                    self._one(wanted, there.get(_key(wanted)))
            except NetlinkError as error:
                problems[helper.name] = _explain(helper, error)
        return problems

    def _one(self, wanted: CtHelper, there: CtHelper | None) -> None:
        if there is None:
            self._new(wanted, excl=True)
        elif not is_ours(there):
            raise NetlinkError(EBUSY, f"register helper {wanted}")
        elif there.policies != wanted.policies:
            self._new(replace(wanted, status=there.status, queue=there.queue))

    def _new(self, helper: CtHelper, excl: bool = False) -> None:
        self._netlink.request(cthelper.encode_new(helper, excl), f"register helper {helper}")

    def enable(self, helper: Helper, queue: int) -> None:
        """Let the kernel itself queue this helper's connections (steering "helper")."""
        for wanted in kernel_objects(helper):
            self._new(replace(wanted, status=1, queue=queue))

    def disable_all(self) -> None:
        """Set all of ours to disabled: without a listener an enabled helper blocks its port."""
        for helper in self.present():
            if is_ours(helper) and helper.status:
                self._new(replace(helper, status=0))

    def delete(self, helper: CtHelper) -> None:
        """Remove a helper object; raises NetlinkError (EBUSY) while something refers to it."""
        self._netlink.request(cthelper.encode_delete(helper), f"remove helper {helper}")


def _key(helper: CtHelper) -> tuple[str, int, int]:
    return helper.name, helper.l3, helper.l4


def is_ours(helper: CtHelper) -> bool:
    names = [p.name for p in helper.policies]
    return helper.priv_len == PRIVATE and names == [f"class{n}" for n in range(CLASSES)]


def _explain(helper: Helper, error: NetlinkError) -> str:
    if error.errno == EBUSY:
        return (
            f"the kernel has another helper of the name {helper.kernel_name}"
            " (unload its module, or remove it with nfct helper delete)"
        )
    return str(error)
