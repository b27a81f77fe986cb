#!/bin/bash
# Title: dpkt reads all timestamps of a pcapng file with the resolution of its first interface.
# Version: dpkt 1.9.8
# Guess: each packet's timestamp is read with the if_tsresol of its own interface, as tcpdump and Wireshark do.
# Seen: of two packets of the same moment, the second one on an interface with nanoseconds, dpkt puts the second
#       into the year 55840. In the other order it puts it into January 1970 (2026-11-30).
# Here: mergecap makes such files of captures with different resolutions; `fwhelpers replay` reads each interface's.
. "$(dirname "$(readlink -f "$0")")/lib.sh"
pips dpkt==1.9.8
cat >"$work/times.py" <<'END'
import io
import struct
import sys

import dpkt

MOMENT = 1_700_000_000
PACKET = bytes(60)


def block(kind, body):
    return struct.pack("<II", kind, len(body) + 12) + body + struct.pack("<I", len(body) + 12)


def interface(digits):
    resolution = struct.pack("<HHB3x", 9, 1, digits)  # if_tsresol
    return block(1, struct.pack("<HHI", 1, 0, 65535) + resolution + struct.pack("<HH", 0, 0))


def packet(number, digits):
    high, low = divmod(MOMENT * 10**digits, 1 << 32)
    return block(6, struct.pack("<5I", number, high, low, len(PACKET), len(PACKET)) + PACKET)


for resolutions in ((6, 9), (9, 6)):
    data = block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))
    data += b"".join(map(interface, resolutions))
    data += b"".join(packet(number, digits) for number, digits in enumerate(resolutions))
    with open(f"{sys.argv[1]}/{resolutions[0]}.pcapng", "wb") as file:
        file.write(data)
    print(resolutions, *[float(time) for time, _ in dpkt.pcapng.Reader(io.BytesIO(data))])
END
expect "dpkt" "(6, 9) 1700000000.0 1700000000000.0
(9, 6) 1700000000.0 1700000.0" "$("$python" "$work/times.py" "$work")"
if command -v tcpdump >/dev/null; then
    times() { tcpdump -ttnr "$work/$1.pcapng" 2>/dev/null | cut -d ' ' -f 1 | tr '\n' ' '; }
    expect "tcpdump, (6, 9)" "1700000000.000000 1700000000.000000 " "$(times 6)"
    expect "tcpdump, (9, 6)" "1700000000.000000 1700000000.000000 " "$(times 9)"
fi
finish
