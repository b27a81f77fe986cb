"""The second yardstick: netfilterqueue receives each packet of a queue and accepts it.

accept_all.py QUEUE
"""

from __future__ import annotations

import sys

from netfilterqueue import NetfilterQueue, Packet


def _accept(packet: Packet) -> None:
    packet.accept()


def main() -> None:
    queue = NetfilterQueue()
    queue.bind(int(sys.argv[1]), _accept, max_len=10240)
    print("ready", flush=True)
    queue.run()


if __name__ == "__main__":
    main()
