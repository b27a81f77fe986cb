#!/bin/bash
# Title: python-pcapng and scapy ignore if_tsoffset, so that packets of such a pcapng file are decades too old.
# Version: python-pcapng 2.1.1, scapy 2.8.0; dpkt 1.9.8 and tcpdump for comparison
# Guess: the option is as old as if_tsresol, which all readers know; each adds it to its timestamps.
# Seen: a packet of November 2023 in a file with an offset of 1,600,000,000 seconds is of March 1973 for both. dpkt and
#       tcpdump add the offset (2026-11-30).
# Here: `fwhelpers replay` adds the option (testing/pcap.py).
. "$(dirname "$(readlink -f "$0")")/lib.sh"
pips python-pcapng==2.1.1 scapy==2.8.0 dpkt==1.9.8
cat >"$work/times.py" <<'END'
import struct
import sys

import dpkt
import pcapng
from scapy.utils import PcapNgReader

MOMENT, OFFSET = 1_700_000_000, 1_600_000_000


def block(kind, body):
    return struct.pack("<II", kind, len(body) + 12) + body + struct.pack("<I", len(body) + 12)


def write(path, offset):
    options = struct.pack("<HHB3x", 9, 1, 6) + struct.pack("<HHqHH", 14, 8, offset, 0, 0)
    high, low = divmod((MOMENT - offset) * 10**6, 1 << 32)
    with open(path, "wb") as file:
        file.write(block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)))
        file.write(block(1, struct.pack("<HHI", 1, 0, 65535) + options))
        file.write(block(6, struct.pack("<5I", 0, high, low, 60, 60) + bytes(60)))


def seconds(path):
    with open(path, "rb") as file:
        yield "dpkt", next(iter(dpkt.pcapng.Reader(file)))[0]
    with open(path, "rb") as file:
        yield "python-pcapng", next(b for b in pcapng.FileScanner(file) if hasattr(b, "timestamp")).timestamp
    yield "scapy", next(iter(PcapNgReader(path))).time


for offset in (0, OFFSET):
    path = f"{sys.argv[1]}/{offset}.pcapng"
    write(path, offset)
    for name, second in seconds(path):
        print(offset, name, int(second))
END
expect "offset, reader, second" "0 dpkt 1700000000
0 python-pcapng 1700000000
0 scapy 1700000000
1600000000 dpkt 1700000000
1600000000 python-pcapng 100000000
1600000000 scapy 100000000" "$("$python" "$work/times.py" "$work" 2>/dev/null)"
if command -v tcpdump >/dev/null; then
    expect "tcpdump" 1700000000.000000 "$(tcpdump -ttnr "$work/1600000000.pcapng" 2>/dev/null | cut -d ' ' -f 1)"
fi
finish
