#!/bin/bash
# Title: after EPSV ALL, vsftpd still accepts EPRT, and pure-ftpd still accepts PASV.
# Version: vsftpd 3.0.3-13+b2, pure-ftpd 1.0.50-2.1+b2, pyftpdlib 2.2.0
# Guess: a server that accepts EPSV ALL refuses EPRT, PORT and PASV from then on, as RFC 2428 §4 says ("MUST reject").
# Seen: all three accept EPSV ALL. vsftpd refuses PORT and PASV, but not EPRT, pure-ftpd PORT and EPRT, but not PASV.
#       pyftpdlib refuses the three (2026-11-30).
# Here: the FTP helper opens nothing for PORT, EPRT and PASV after an accepted EPSV ALL (G4), whatever the server does.
. "$(dirname "$(readlink -f "$0")")/lib.sh"
[ "$(id -u)" = 0 ] || cannot "vsftpd and pure-ftpd need root"
debs vsftpd=3.0.3-13+b2 pure-ftpd=1.0.50-2.1+b2
pips pyftpdlib==2.2.0
mkdir "$work/files" && chmod 755 "$work" "$work/files"
cat >"$work/vsftpd.conf" <<END
listen=YES
listen_port=2121
background=NO
anonymous_enable=YES
anon_root=$work/files
no_anon_password=YES
ftp_username=bin
secure_chroot_dir=$work/files
seccomp_sandbox=NO
END
password=$("$python" -c 'import crypt; print(crypt.crypt("b", "$6$salt"))' 2>/dev/null)
printf 'a:%s:65534:65534::%s::::::::::::\n' "$password" "$work/files/./" >"$work/passwd"
cat >"$work/ask.py" <<'END'
import os
import signal
import socket
import subprocess
import sys
import time

folder = sys.argv[1]
SERVERS = {
    "vsftpd": ["vsftpd", f"{folder}/vsftpd.conf"],
    "pure-ftpd": ["pure-ftpd", "-S", "127.0.0.1,2122", "-H", "-l", f"puredb:{folder}/users.pdb"],
    "pyftpdlib": [sys.executable, "-m", "pyftpdlib", "-i", "127.0.0.1", "-p", "2123", "-d", f"{folder}/files"],
}


def connect(port):
    for _ in range(300):  # until the server listens
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=10)
        except OSError:
            time.sleep(0.1)
    sys.exit("no server")


def reply(stream):
    while True:
        line = stream.readline().decode()
        if line[:3].isdigit() and line[3] == " ":
            return line[:3]


subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
for control, (name, command) in enumerate(SERVERS.items(), 2121):
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    user = "a" if name == "pure-ftpd" else "anonymous"
    commands = [
        f"USER {user}", "PASS b", "EPSV ALL", "PORT 127,0,0,1,%d,%d" % divmod(port, 256), f"EPRT |1|127.0.0.1|{port}|",
        "PASV", "EPSV",
    ]  # fmt: skip
    try:
        stream = connect(control).makefile("rwb", buffering=0)
        reply(stream)
        answers = []
        for line in commands:
            stream.write(line.encode() + b"\r\n")
            answers.append(f"{'EPSV ALL' if line == 'EPSV ALL' else line.split()[0]} {reply(stream)}")
        print(f"{name}:", ", ".join(answers[2:]))
    finally:
        os.killpg(server.pid, signal.SIGKILL)  # and its children
        server.wait()
END
pure-pw mkdb "$work/users.pdb" -f "$work/passwd" || cannot "pure-pw"
expect "replies" "vsftpd: EPSV ALL 200, PORT 550, EPRT 200, PASV 550, EPSV 229
pure-ftpd: EPSV ALL 220, PORT 501, EPRT 501, PASV 227, EPSV 229
pyftpdlib: EPSV ALL 220, PORT 501, EPRT 501, PASV 501, EPSV 229" "$(in_namespace "$python" "$work/ask.py" "$work")"
finish
