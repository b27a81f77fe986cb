#!/bin/bash
# Title: After ftplib's abort() every reply belongs to the command before.
# Version: ftplib of CPython 3.11, pyftpdlib 2.2.0
# Guess: abort() returns when the server has answered ABOR, so that the next command gets its own reply.
# Seen: RFC 959 asks for two replies during a transfer, 426 for the transfer and 226 for ABOR. abort()
#       reads the first, and the second becomes the reply of the next command, and so on (2026-11-29).
# Here: the FTP parser passes over replies that answer no command (tests/vm/test_ftp_programs.py).
. "$(dirname "$(readlink -f "$0")")/lib.sh"
pips pyftpdlib==2.2.0
cat >"$work/abort.py" <<'END'
import ftplib
import logging
import sys
import threading
from pathlib import Path

from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.servers import FTPServer

logging.disable()
root = Path(sys.argv[1])
(root / "large").write_bytes(bytes(50_000_000))
FTPHandler.authorizer = DummyAuthorizer()
FTPHandler.authorizer.add_anonymous(str(root))
server = FTPServer(("127.0.0.1", 0), FTPHandler)
threading.Thread(target=server.serve_forever, daemon=True).start()
ftp = ftplib.FTP()
ftp.connect(*server.address, timeout=20)
ftp.login()
data = ftp.transfercmd("RETR large")
data.recv(1000)
replies = [ftp.abort()]
data.close()
replies += [ftp.sendcmd(command) for command in ("PWD", "NOOP")]
print(*[reply[:3] for reply in replies])
END
mkdir "$work/files"
expect "replies to ABOR, PWD, NOOP" "426 226 257" "$("$python" "$work/abort.py" "$work/files")"
finish
