"""Receive and accept each packet twice: with our codec in one queue, with netfilterqueue in the next.

two_readers.py OURS THEIRS

Prints a JSON object a line for each packet of the queues OURS and THEIRS.
"""

from __future__ import annotations

import json
import select
import sys
from typing import Any

from netfilterqueue import NetfilterQueue, Packet

from fwhelpers.kernel import nfqueue
from fwhelpers.kernel.socket import QueueSocket


def show(reader: str, payload: bytes, **fields: Any) -> None:
    print(json.dumps({"reader": reader, "payload": payload.hex(), **fields}), flush=True)


def read_ours(queue: QueueSocket, number: int) -> None:
    for buffer in queue.receive():
        for packet in nfqueue.parse_packets(buffer):
            show(
                "ours", bytes(packet.payload), hook=packet.hook, hw_protocol=packet.hw_protocol,
                indev=packet.indev, outdev=packet.outdev, ct_id=packet.ct_id,
                orig=packet.tuple_orig_raw.hex(),
            )  # fmt: skip
            queue.send(nfqueue.encode_verdict(number, packet.id, nfqueue.ACCEPT))


def read_theirs(packet: Packet) -> None:
    show(
        "theirs", packet.get_payload(), hook=packet.hook, hw_protocol=packet.hw_protocol,
        indev=packet.indev, outdev=packet.outdev, attributes=sorted(set(dir(packet)) - set(dir(object))),
    )  # fmt: skip
    packet.accept()


def main() -> None:
    numbers = [int(word) for word in sys.argv[1:3]]
    ours, theirs = QueueSocket(), NetfilterQueue()
    ours.bind(numbers[0])
    theirs.bind(numbers[1], read_theirs)
    print("ready", flush=True)
    while True:
        readable, _, _ = select.select([ours.fileno(), theirs.get_fd()], [], [])
        if ours.fileno() in readable:
            read_ours(ours, numbers[0])
        if theirs.get_fd() in readable:
            theirs.run(block=False)


if __name__ == "__main__":
    main()
