"""`./dev lab`: the lab with its servers, and a shell in it. Argument: the kind of NAT (none, snat, dnat, both)."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

from lab import servers
from lab.topology import Lab

WELCOME = """
client (c, c2: 10.0.1.2, 10.0.1.3) ── gateway (g) ── server (s: 10.0.2.2), NAT: {nat}

  c COMMAND …      runs it on the client; g, s and c2 likewise. Examples:

    g fwhelpers check
    g fwhelpers run --config {config} &
    g fwhelpers monitor &
    c mount -t nfs -o nfsvers=3,proto=tcp,mountproto=udp,nolock {target}:/srv/nfs /run/mnt
    c curl -sS --disable-epsv ftp://{target}/hello
    g conntrack -L; g nft list ruleset; g tcpdump -ni wan

  exit             ends the lab
"""


def main() -> int:
    nat = sys.argv[1] if len(sys.argv) > 1 else "none"
    with Lab(nat) as lab:
        servers.start_nfs(lab)
        servers.start_ftp(lab)
        config = lab.config("[helpers.rpc]\n[helpers.ftp]\n")
        rc = Path("/tmp/lab/bashrc")
        functions = [
            f'{name}() {{ {shlex.join(space.enter())} "$@"; }}'
            for name, space in lab.namespaces.items()
        ]
        rc.write_text("\n".join([*functions, "PS1='lab# '"]) + "\n")
        print(WELCOME.format(nat=nat, config=config, target=lab.target()), flush=True)
        subprocess.run(["bash", "--rcfile", str(rc), "-i"], check=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
