#!/bin/bash
# Title: tshark reads an FTP reply in two segments as two replies, and then does not know its data connection.
# Version: tshark 4.0.17-0+deb12u3
# Guess: replies are lines, which the dissector joins from segments as it does for HTTP and SIP over TCP.
# Seen: "227 Entering Passive Mode (192,0," and "2,2,19,139)" are two responses, and the data connection to port
#       5003 stays TCP; with the 227 in one segment it is FTP-DATA (2026-11-30).
# Here: a capture that Wireshark does not take for FTP data can still be what fwhelpers expects: it joins lines.
. "$(dirname "$(readlink -f "$0")")/lib.sh"
debs tshark=4.0.17-0+deb12u3 libwireshark16=4.0.17-0+deb12u3 libwireshark-data=4.0.17-0+deb12u3 \
    libwiretap13=4.0.17-0+deb12u3 libwsutil14=4.0.17-0+deb12u3 libspeexdsp1 liblua5.2-0 libbcg729-0 libc-ares2 \
    libnl-3-200 libnl-genl-3-200 libnl-route-3-200 libspandsp2 libsbc1 libsmi2ldbl libsnappy1v5 libssh-gcrypt-4 \
    libmaxminddb0 libnghttp2-14 libopencore-amrnb0 libgsm1
cat >"$work/flows.py" <<'END'
import struct
import sys

CLIENT, SERVER = b"\xc0\0\2\1", b"\xc0\0\2\2"
REPLY = (b"227 Entering Passive Mode (192,0,", b"2,2,19,139)\r\n")
SYN, ACK, PSH = 2, 16, 8
next_ = {}


def segment(source, destination, sport, dport, data=b"", flags=ACK):
    seq, ack = next_.get((source, sport), 1000), next_.get((destination, dport), 0)
    next_[source, sport] = seq + len(data) + (flags & SYN) // SYN
    tcp = struct.pack(">HHIIBBHHH", sport, dport, seq, ack, 5 << 4, flags, 8192, 0, 0)
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 40 + len(data), 0, 0, 64, 6, 0, source, destination)
    frame = bytes(12) + b"\x08\0" + ip + tcp + data
    return struct.pack("<IIII", 1, 0, len(frame), len(frame)) + frame


def connect(sport, dport):
    yield segment(CLIENT, SERVER, sport, dport, flags=SYN)
    yield segment(SERVER, CLIENT, dport, sport, flags=SYN | ACK)
    yield segment(CLIENT, SERVER, sport, dport)


def flow(replies):
    next_.clear()
    yield from connect(4000, 21)
    yield segment(SERVER, CLIENT, 21, 4000, b"220 ready\r\n", PSH | ACK)
    yield segment(CLIENT, SERVER, 4000, 21, b"PASV\r\n", PSH | ACK)
    for reply in replies:
        yield segment(SERVER, CLIENT, 21, 4000, reply, PSH | ACK)
    yield from connect(4002, 5003)
    yield segment(SERVER, CLIENT, 5003, 4002, b"the file's contents", PSH | ACK)


HEAD = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)
for name, replies in (("one", [b"".join(REPLY)]), ("two", REPLY)):
    with open(f"{sys.argv[1]}/{name}.pcap", "wb") as file:
        file.write(HEAD + b"".join(flow(replies)))
END
python3 "$work/flows.py" "$work"
export HOME=$work
for name in one two; do
    tshark -n -r "$work/$name.pcap" -Y 'tcp.srcport == 5003 && tcp.len > 0' -T fields -e _ws.col.Protocol \
        >"$work/$name" 2>"$work/errors" || cannot "tshark: $(tail -n 1 "$work/errors")"
    expect "227 in $name" "$([ $name = one ] && echo FTP-DATA || echo TCP)" "$(cat "$work/$name")"
done
expect "responses" "220
227" "$(tshark -n -r "$work/two.pcap" -Y ftp.response.code -T fields -e ftp.response.code 2>/dev/null)"
finish
