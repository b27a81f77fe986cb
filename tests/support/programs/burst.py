"""Makes masters and expectations straight through ctnetlink: burst.py HELPER MASTERS EACH

Prints how many there were, and how long that took.
"""

from __future__ import annotations

import sys
import time

from fwhelpers.kernel import expect, nfnl
from fwhelpers.kernel.conntrack import CTA_HELP, CTA_HELP_NAME, CTA_TIMEOUT, Tuple, encode_tuple
from fwhelpers.kernel.expect import PERMANENT, Expectation, mask_for
from fwhelpers.kernel.nla import be32, nest, strz
from fwhelpers.kernel.socket import NetlinkSocket

CLIENT, SERVER = bytes([10, 0, 1, 2]), bytes([10, 0, 2, 2])


def main(helper: str, masters: int, each: int) -> None:
    netlink = NetlinkSocket()
    began = time.monotonic()
    for number in range(masters):
        orig = Tuple(CLIENT, SERVER, 6, 20000 + number, 111)
        body = (
            encode_tuple(1, orig) + encode_tuple(2, Tuple(SERVER, CLIENT, 6, 111, orig.sport))
            + be32(CTA_TIMEOUT, 600) + nest(CTA_HELP, strz(CTA_HELP_NAME, helper))
        )  # fmt: skip
        flags = nfnl.CREATE | nfnl.EXCL | nfnl.ACK
        netlink.request(nfnl.message(nfnl.CTNETLINK, 0, flags, body, family=2), "make a connection")
        for index in range(each):
            place = number * each + index
            tuple_ = Tuple(bytes([10, 9, place >> 8, place & 255]), SERVER, 6, 0, 3000)
            expectation = Expectation(orig, tuple_, mask_for(tuple_), 0, PERMANENT)
            netlink.request(expect.encode_create(expectation), "make an expectation")
    print(f"made {masters * each} in {time.monotonic() - began:.1f} s", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
