"""Our helper objects in the kernel (nfnetlink_cthelper).

Neither the size of the private data nor the names of the policy classes can change while a helper is registered, so all
our helpers have the same: a new version of a plugin can then adopt the objects of an earlier one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
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
PRIVATE = 32  #: bytes of private data


def kernel_objects(helper: Helper) -> list[CtHelper]:
    """Return the kernel objects of a helper: one for each family and transport, disabled.

    For both families, even if the helper supports one: for an object in an inet table without its helper in the other
    family the kernel looks for a module, and starts modprobe, each time (nft_ct.c: nft_ct_helper_obj_init).
    """
    unused = CtPolicy("", 1, 1)
    policies = [CtPolicy("", p.max, p.timeout) for p in helper.policies] + [unused] * CLASSES
    classes = tuple(replace(p, name=f"class{n}") for n, p in enumerate(policies[:CLASSES]))
    return [
        CtHelper(helper.kernel_name, _L3[family], _L4[l4], priv_len=PRIVATE, policies=classes)
        for family in _L3
        for l4 in helper.registered
    ]


class CtHelperTable:
    """The kernel's table of user-space helpers."""

    def __init__(self, netlink: NetlinkSocket | None = None) -> None:
        self._netlink = netlink or NetlinkSocket()

    def read(self) -> list[CtHelper]:
        """Return all user-space helpers of the machine, foreign ones as well."""
        replies = self._netlink.dump(cthelper.encode_dump(), "list helpers (nfnetlink_cthelper)")
        return [cthelper.parse_helper(payload) for payload in replies]

    def register(self, helpers: Iterable[Helper]) -> dict[str, str]:
        """Register or adopt; returns the reason for each helper (by name) that the kernel did not accept."""
        registered = {_key(h): h for h in self.read()}
        problems: dict[str, str] = {}
        for helper in helpers:
            try:
                for kernel_object in kernel_objects(helper):
                    self._register(kernel_object, registered.get(_key(kernel_object)))
            except NetlinkError as error:
                problems[helper.name] = _explain(helper, error)
        return problems

    def _register(self, helper: CtHelper, registered: CtHelper | None) -> None:
        if registered is None:
            self._write(helper, excl=True)
        elif not is_ours(registered):
            raise NetlinkError(EBUSY, f"register helper {helper}")
        elif registered.policies != helper.policies:
            self._write(replace(helper, status=registered.status, queue=registered.queue))

    def _write(self, helper: CtHelper, excl: bool = False) -> None:
        self._netlink.request(cthelper.encode_new(helper, excl), f"register helper {helper}")

    def set_queues(self, queues: Mapping[str, int]) -> None:
        """Have the kernel itself queue the connections of our helpers (steering "helper").

        `queues`: queue number by kernel name. All our other helpers are disabled: an enabled helper without a listener
        blocks its port. Raises NetlinkError.
        """
        for helper in self.read():
            if not is_ours(helper):
                continue
            queue = queues.get(helper.name)
            if queue is not None:
                self._write(replace(helper, status=1, queue=queue))
            elif helper.status:
                self._write(replace(helper, status=0))

    def disable_all(self) -> None:
        """Disable all our helpers. Raises NetlinkError."""
        self.set_queues({})

    def delete(self, helper: CtHelper) -> None:
        """Remove a helper object. Raises NetlinkError (EBUSY while something refers to it)."""
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
