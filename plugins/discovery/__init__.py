"""Discovery protocols: one helper for each row of `rows`."""

from __future__ import annotations

from dataclasses import replace

from fwhelpers.api import Helper, KernelHelper, hookimpl
from fwhelpers.discovery import Row, helper_of

from . import ssdp
from .rows import ROWS

#: rows whose helpers do more than open for answers
_EXTENDED = {"ssdp": ssdp.extended}

#: both know answers to broadcasts of this host (nf_conntrack_broadcast.c)
_KERNEL = {
    "netbios-ns": KernelHelper("netbios-ns", "udp", "nf_conntrack_netbios_ns", families=(4,)),
    "snmp": KernelHelper("snmp", "udp", "nf_conntrack_snmp", families=(4,)),
}


@hookimpl
def fwhelpers_helpers() -> list[Helper]:
    return [_helper(row) for row in ROWS]


def _helper(row: Row) -> Helper:
    helper = _EXTENDED.get(row.name, helper_of)(row)
    return replace(helper, kernel=(_KERNEL[row.name],)) if row.name in _KERNEL else helper
