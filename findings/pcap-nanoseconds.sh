#!/bin/bash
# Title: tcpdump, editcap, mergecap and tcprewrite write nanosecond captures with microseconds, and do not say so.
# Version: tcpdump 4.99.3-1, libpcap0.8 1.10.3-1, wireshark-common 4.0.17-0+deb12u3, tcpreplay 4.4.3-1
# Guess: who reads a pcap file with nanoseconds (magic 0xa1b23c4d) and writes a pcap file keeps them, or warns.
# Seen: `tcpdump -r A -w B`, `editcap -F pcap`, `mergecap -F pcap` and `tcprewrite` write magic 0xa1b2c3d4, the time cut
#       to microseconds, with status 0. tcpdump keeps it with --time-stamp-precision=nano, Wireshark's programs do with
#       -F nsecpcap or pcapng, which is their default; tcprewrite has no option for it (2026-11-30).
# Here: packets of one connection in the same microsecond can no longer be told apart by time; `fwhelpers replay` reads
#       both, and keeps the order of the file.
. "$(dirname "$(readlink -f "$0")")/lib.sh"
debs tcpdump=4.99.3-1 libpcap0.8=1.10.3-1 tcpreplay=4.4.3-1 libdumbnet1 wireshark-common=4.0.17-0+deb12u3 \
    libwireshark16=4.0.17-0+deb12u3 libwiretap13=4.0.17-0+deb12u3 libwsutil14=4.0.17-0+deb12u3 libspeexdsp1 \
    liblua5.2-0 libbcg729-0 libc-ares2 libspandsp2 libsbc1 libsmi2ldbl libsnappy1v5 libssh-gcrypt-4 libmaxminddb0 \
    libnghttp2-14 libopencore-amrnb0 libgsm1
cd "$work" || exit
python3 - <<'END'
import struct

PACKET = bytes(12) + b"\x08\0" + struct.pack(">BBHHHBBH", 0x45, 0, 28, 0, 0, 64, 17, 0) + bytes(16)
with open("nano.pcap", "wb") as file:
    file.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, 1))
    file.write(struct.pack("<4I", 1_700_000_000, 123_456_789, len(PACKET), len(PACKET)) + PACKET)
END
export HOME=$work
show() { # COMMAND... : magic and time of out.pcap
    rm -f out.pcap
    "$@" >messages 2>&1 || cannot "$1: $(tail -n 1 messages)"
    python3 -c 'import struct; print("%x .%d" % struct.unpack_from("<I24xI", open("out.pcap", "rb").read()[:32]))'
    grep -v '^reading from' messages
}
expect "tcpdump" "a1b2c3d4 .123456" "$(show tcpdump -r nano.pcap -w out.pcap)"
expect "tcpdump, nano" "a1b23c4d .123456789" "$(show tcpdump --time-stamp-precision=nano -r nano.pcap -w out.pcap)"
expect "editcap" "a1b2c3d4 .123456" "$(show editcap -F pcap nano.pcap out.pcap)"
expect "mergecap" "a1b2c3d4 .123456" "$(show mergecap -F pcap -w out.pcap nano.pcap)"
expect "mergecap, nsecpcap" "a1b23c4d .123456789" "$(show mergecap -F nsecpcap -w out.pcap nano.pcap)"
expect "tcprewrite" "a1b2c3d4 .123456" "$(show tcprewrite --pnat=192.0.2.0/24:198.51.100.0/24 -i nano.pcap -o out.pcap)"
finish
