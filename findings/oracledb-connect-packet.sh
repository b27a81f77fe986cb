#!/bin/bash
# Title: the length of the interpreter's path decides whether oracledb's CONNECT packet has the descriptor in it.
# Version: oracledb 26.1.0, thin mode
# Guess: the descriptor of the application goes into CONNECT, and into a DATA packet behind it if it is long.
# Seen: the driver writes a descriptor of its own, also for "host:port/service": with the path of the interpreter, the
#       host's name and the user's, all in clear before any login. So a path of 300 letters moves the whole
#       descriptor of a short "host:port/service" to a DATA packet (type 6) after an empty CONNECT (2026-11-30).
# Here: the Oracle helper reads the head of CONNECT alone, and passes over DATA before the answer (plugins/tns).
. "$(dirname "$(readlink -f "$0")")/lib.sh"
pips oracledb==26.1.0
cat >"$work/connect.py" <<'END'
import contextlib
import re
import socket
import subprocess
import threading

import oracledb

subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
received = []


def listen(server):
    while True:
        connection, _ = server.accept()
        connection.settimeout(1)
        with contextlib.suppress(TimeoutError):
            while data := connection.recv(8192):
                received.append(data)
        connection.close()


def packets(data):
    """Yield the type of each packet, whose head has a length of two bytes and the type at offset 4."""
    while data:
        size = int.from_bytes(data[:2], "big")
        text = data[8:size]
        yield f"type {data[4]} {'with' if b'(DESCRIPTION=' in text else 'without'} descriptor"
        data = data[size:]


server = socket.create_server(("127.0.0.1", 1521))
threading.Thread(target=listen, args=(server,), daemon=True).start()
for program in ("/usr/bin/python3", "/" + "p" * 300):
    received.clear()
    oracledb.defaults.program = program
    with contextlib.suppress(oracledb.Error):
        oracledb.connect(user="u", password="p", dsn="127.0.0.1:1521/service", tcp_connect_timeout=10)
    data = b"".join(received)
    cid = re.search(rb"\(CID=\(PROGRAM=([^)]*)\)\(HOST=[^)]+\)\(USER=[^)]+\)\)", data)
    print(f"path of {len(cid[1])}:", ", ".join(packets(data)))
END
expect "packets" "path of 16: type 1 with descriptor
path of 301: type 1 without descriptor, type 6 with descriptor" "$(in_namespace "$python" "$work/connect.py")"
finish
