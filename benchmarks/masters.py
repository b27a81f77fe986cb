"""What `keep_masters` costs: processor time of the manager's looks at many mounts.

    unshare --net .venv/bin/python benchmarks/masters.py [MOUNTS]

As root, in a network namespace of its own. Each mount has a master over UDP, and there are as many other connections.
The looks are four seconds apart; masters over UDP are looked at again every twenty.
"""

from __future__ import annotations

import sys
import time
from contextlib import closing

from fwhelpers.daemon.master_lifetimes import INTERVAL, UNHURRIED, MasterLifetimes
from fwhelpers.kernel import conntrack, nfnl
from fwhelpers.kernel.conntrack import Tuple, encode_new_tuple
from fwhelpers.kernel.nla import be32, nest, u8
from fwhelpers.kernel.socket import NetlinkSocket

CLIENT, SERVER = bytes((10, 0, 1, 2)), bytes((10, 0, 2, 2))
CREATE = nfnl.ACK | 0x400 | 0x200  #: NLM_F_CREATE, NLM_F_EXCL
SETTLED = 14  #: IPS_SEEN_REPLY, IPS_ASSURED, IPS_CONFIRMED
TCP_STATE = nest(4, nest(1, u8(1, conntrack.TCP_ESTABLISHED)))


def create(netlink: NetlinkSocket, orig: Tuple, *attributes: bytes) -> None:
    reply = Tuple(orig.dst, orig.src, orig.l4, orig.dport, orig.sport)
    tuples = encode_new_tuple(1, orig) + encode_new_tuple(2, reply)
    payload = tuples + be32(3, SETTLED) + be32(7, 4000) + b"".join(attributes)
    message = nfnl.message(nfnl.CTNETLINK, conntrack.NEW, CREATE, payload, family=orig.family)
    (error,) = netlink.request_all([message])
    if error:
        sys.exit(f"create a connection: errno {error}")


def main(mounts: int = 10_000) -> None:
    lifetimes = MasterLifetimes()
    lifetimes._helpers = {""}  # the entries have none
    with closing(NetlinkSocket()) as netlink:
        for number in range(mounts):
            master = Tuple(CLIENT, SERVER, 17, 10_000 + number, 111)
            create(netlink, master)
            mount = Tuple(CLIENT, SERVER, 6, 20_000 + number, 2049)
            create(netlink, mount, TCP_STATE, encode_new_tuple(14, master))
            create(netlink, Tuple(CLIENT, SERVER, 6, 40_000 + number, 80), TCP_STATE)
        for title, now in (
            ("all masters", 0.0),
            ("the list alone", INTERVAL),
            ("all masters", UNHURRIED + INTERVAL),
            ("the list alone", UNHURRIED + 2 * INTERVAL),
        ):
            before = time.process_time()
            lifetimes.look(netlink, now)
            print(f"{title}: {time.process_time() - before:.3f} s")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
