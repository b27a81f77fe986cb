"""PPTP (RFC 2637): the tunnel's GRE packets, by the kernel's own helper.

No parser of ours: expectations from user space cannot join the two directions of a call, whose GRE keys differ
(docs/decisions/0102). The service assigns the kernel's helper, with our limits and firewalld's zones.
"""

from __future__ import annotations

from fwhelpers.api import Helper, KernelHelper, Policy, hookimpl


@hookimpl
def fwhelpers_helpers() -> list[Helper]:
    return [
        Helper(
            "pptp",
            "tcp",
            ports=[1723],
            parser=None,
            # as in the kernel: one for each direction (nf_conntrack_pptp.c: pptp_exp_policy)
            policies=[Policy("call", max=2, timeout=300)],
            families=(4,),
            spec="RFC 2637",
            doc="PPTP tunnels: the GRE packets of a call, by the kernel's own helper",
            kernel=[KernelHelper("pptp", "tcp", "nf_conntrack_pptp", "nf_nat_pptp", families=(4,))],
        )
    ]
