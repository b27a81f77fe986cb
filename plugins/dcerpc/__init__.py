"""DCE/RPC: the endpoint mapper and DCOM on tcp/135 name the ports of a Windows server's services.

    client                                        server
      bind: endpoint mapper                    →
                                               ←   bind_ack
      ept_map: netlogon                        →
                                               ←   towers: TCP port 49668              the client connects to it
      RemoteCreateInstance, ResolveOxid …      →
                                               ←   string bindings: server[49724]      the client connects to it

C706 (DCE 1.1: Remote Procedure Call), MS-RPCE, MS-DCOM. `pdu` reads the packets, `contexts` what was bound, `epm` and
`dcom` the answers.
"""

from __future__ import annotations

from fwhelpers.api import Helper, Policy, Setting, hookimpl

from .connection import LIFETIME, LONGEST, MAX_SERVICES, Dcerpc
from .interfaces import check_interfaces


def _check_lifetime(value: object) -> int:
    if type(value) is not int or not 1 <= value <= LONGEST:
        raise ValueError(f"must be a number of seconds, 1 to {LONGEST}")
    return value


SETTINGS = (
    Setting(
        "rpc_interfaces",
        ["any"],
        'interfaces that may open, by name or UUID; ["any"]: all',
        check_interfaces,
    ),
    Setting(
        "lifetime",
        LIFETIME,
        "seconds that a port stays open after it was announced, or renewed by a ping of DCOM",
        _check_lifetime,
    ),
    Setting(
        "lookup", False, "lists of all endpoints open them as well, if they are `rpc_interfaces`"
    ),
)


@hookimpl
def fwhelpers_helpers() -> list[Helper]:
    """Endpoint mapper and object resolver on tcp/135."""
    return [
        Helper(
            "dcerpc",
            "tcp",
            ports=[135],
            parser=Dcerpc,
            policies=[Policy("service", max=MAX_SERVICES, timeout=LONGEST)],
            settings=SETTINGS,
            spec="C706, MS-RPCE, MS-DCOM",
            doc="DCE/RPC and DCOM: services of Windows and Samba servers at dynamic ports",
        )
    ]
