"""H.323: calls with voice, video and T.120, with or without a gatekeeper.

    endpoint        udp/1719   RAS             registers, asks the gatekeeper for each call       `ras`
    caller          tcp/1720   H.225.0         SETUP, CONNECT …, in Q.931                         `calls`
    caller, callee  tcp/any    H.245           opens channels; also within H.225.0 (tunnelling)   `channels`
                    udp/any    RTP, RTCP       media

Messages are ASN.1 in aligned PER. The tables in `h225_types` and `h245_types` describe them, and `fwhelpers.sansio.per`
reads what they describe. ITU-T H.323, H.225.0, H.245, Q.931; X.691 (PER); RFC 1006 (TPKT).
"""

from __future__ import annotations

from collections.abc import Sequence

from fwhelpers.api import Helper, KernelHelper, Policy, Setting, hookimpl

from .ras import REGISTRATION, Ras
from .signalling import Signalling

POLICIES = (
    # RAS on another port, and calls that a gatekeeper or a forwarding endpoint announces
    Policy("signalling", max=32, timeout=86400, ports=frozenset({1718, 1719, 1720})),
    Policy("h245", max=16, timeout=240),
    # until the call ends; both ends may name hosts of their own for their media
    Policy("media", max=128, timeout=3600, third_party=True),
    Policy("t120", max=8, timeout=240, ports=frozenset({1503})),
)


def _check_registration(value: object) -> int:
    if type(value) is not int or not 1 <= value <= 86400:
        raise ValueError("must be a number of seconds, 1 to 86400")
    return value


SETTINGS: Sequence[Setting] = (
    Setting(
        "registration",
        REGISTRATION,
        "seconds that a registration lasts if the gatekeeper does not say",
        _check_registration,
    ),
    Setting("pickup", False, "inspect call signalling connections that have begun already"),
)


@hookimpl
def fwhelpers_helpers() -> list[Helper]:
    """Gatekeepers on udp/1719, for discovery on 1718, and endpoints on tcp/1720."""
    return [
        Helper(
            "h323",
            ("tcp", "udp"),
            ports=[1720, 1719, 1718],
            parser={"tcp": Signalling, "udp": Ras},
            policies=POLICIES,
            settings=SETTINGS,
            spec="ITU-T H.323, H.225.0, H.245",
            doc="H.323 calls: RAS, call signalling, H.245, media, T.120",
            children=("tcp", "udp"),
            client_announces=True,
            kernel=[
                KernelHelper("RAS", "udp", "nf_conntrack_h323", "nf_nat_h323"),
                KernelHelper("Q.931", "tcp", "nf_conntrack_h323", "nf_nat_h323"),
            ],
        )
    ]
