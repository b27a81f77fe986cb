#!/bin/bash
# Title: no TFTP client answers a datagram from a second port as RFC 1350 says; tftp-hpa acknowledges it to that port.
# Version: tftp-hpa 5.2+20150808-1.4, atftp 0.8.0-3, busybox-static 1:1.35.0-4+deb12u1+b1, tftpy 0.8.7,
#          curl 7.88.1-10+deb12u15
# Guess: RFC 1350 §4 has the case: a request that arrived twice is answered from two ports. The client keeps the first
#        one, and sends an error packet (5, unknown transfer ID) to the second.
# Seen: after the first block from port A the same from port B: nobody sends an error. tftp-hpa acknowledges it to B,
#       busybox, curl and tftpy acknowledge it to A once more, atftp passes over it (2026-11-30).
# Here: the TFTP helper reads requests alone: it does not wait for an error packet to forget one.
. "$(dirname "$(readlink -f "$0")")/lib.sh"
debs tftp-hpa=5.2+20150808-1.4 atftp=0.8.0-3 busybox-static=1:1.35.0-4+deb12u1+b1 curl=7.88.1-10+deb12u15 \
    libcurl4=7.88.1-10+deb12u15
pips tftpy==0.8.7
cat >"$work/server.py" <<'END'
import socket
import subprocess
import sys

python, folder = sys.argv[1:]
CLIENTS = {
    "tftp-hpa": "tftp -m binary 127.0.0.1 69 -c get file",
    "atftp": "atftp --get -r file -l out 127.0.0.1",
    "busybox": "busybox tftp -g -r file 127.0.0.1",
    "curl": "curl -sS -o out tftp://127.0.0.1/file",
    "tftpy": f"{python} -c \"import tftpy; tftpy.TftpClient('127.0.0.1', 69).download('file', 'out')\"",
}


def endpoint(port=0):
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", port))
    return sock


def answers(sock):
    sock.settimeout(0.7)
    while True:
        try:
            answer = sock.recv(2000)
        except TimeoutError:
            return
        yield {4: f"ACK {answer[3]}", 5: f"ERROR {answer[3]}"}[answer[1]]


subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
for name, command in CLIENTS.items():
    first, second = endpoint(), endpoint()
    with endpoint(69) as listener:
        client = subprocess.Popen(f"{command} </dev/null >/dev/null 2>&1", shell=True, cwd=folder)
        listener.settimeout(30)
        _, address = listener.recvfrom(2000)
    block = b"\0\3\0\1" + bytes(512)
    first.sendto(block, address)
    assert first.recv(2000) == b"\0\4\0\1"
    second.sendto(block, address)
    to_second = list(answers(second))
    to_first = list(answers(first))
    print(f"{name}: to A {to_first[:1]}, to B {to_second[:1]}")
    first.sendto(b"\0\3\0\2", address)
    client.wait(30)
END
export PATH=$work/root/bin:$PATH HOME=$work
expect "answers to the second block 1" "tftp-hpa: to A [], to B ['ACK 1']
atftp: to A [], to B []
busybox: to A ['ACK 1'], to B []
curl: to A ['ACK 1'], to B []
tftpy: to A ['ACK 1'], to B []" "$(in_namespace python3 "$work/server.py" "$python" "$work")"
finish
