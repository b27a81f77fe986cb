"""strongSwan at both ends of the gateway: transport mode with a shared secret, over IKEv1 or IKEv2."""

from __future__ import annotations

from collections.abc import Mapping

from lab.process import Process, wait_until
from lab.topology import CLIENT, SERVER, Lab

#: what the two need, and no more: plugins of Debian's packages would also change routes and resolv.conf
_DAEMON = """
charon {
    load_modular = no
    load = random nonce aes sha1 sha2 hmac kdf gmp kernel-netlink socket-default vici
    filelog {
        log {
            path = stdout
            flush_line = yes
        }
    }
}
"""

#: with mobike, which is strongSwan's default, the two move to port 4500 even where there is no NAT
_CONNECTION = """
connections {{
    lab {{
        version = {version}
        mobike = {mobike}
        local_addrs = {own}
        remote_addrs = {peer}
        proposals = aes128-sha256-modp1024
        local {{
            auth = psk
        }}
        remote {{
            auth = psk
        }}
        children {{
            lab {{
                mode = transport
                esp_proposals = aes128-sha256
            }}
        }}
    }}
}}
secrets {{
    ike {{
        secret = "the lab's secret"
    }}
}}
"""


def start_strongswan(
    lab: Lab, version: int, family: int = 4, *, mobike: bool = False
) -> tuple[Process, Process]:
    """Start it at client and server, which then know their connection and have not begun it."""
    client, server = CLIENT[family], SERVER[family]
    options = {"version": version, "mobike": "yes" if mobike else "no"}
    return _start(lab, "c", client, server, options), _start(lab, "s", server, client, options)


def _start(lab: Lab, ns: str, own: str, peer: str, options: Mapping[str, object]) -> Process:
    space = lab.namespaces[ns]
    space.path("/run/strongswan.conf").write_text(_DAEMON)
    space.path("/run/swanctl.conf").write_text(_CONNECTION.format(own=own, peer=peer, **options))
    daemon = lab.popen(
        ns, "env", "STRONGSWAN_CONF=/run/strongswan.conf", "/usr/lib/ipsec/charon", name="charon"
    )
    wait_until(space.path("/run/charon.vici").exists, f"{ns}: charon to listen for swanctl")
    swanctl(lab, ns, "--load-all", "--file", "/run/swanctl.conf")
    return daemon


def negotiate(lab: Lab, ns: str = "c") -> None:
    """Negotiate the SAs. Raises LabError if that fails."""
    swanctl(lab, ns, "--initiate", "--child", "lab", "--timeout", "150")


def swanctl(lab: Lab, ns: str, *arguments: str) -> str:
    """Run a command of swanctl(8); return its output."""
    return lab.run(ns, "swanctl", *arguments).stdout
