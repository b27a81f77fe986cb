"""An FTP client that aborts a download and goes on, as mirror programs do.

Runs in a namespace as `python ftp_abort.py HOST passive|active TIMES`; the file pub/big is larger than the sockets'
buffers, hello is a short one.
"""

from __future__ import annotations

import ftplib
import sys
from contextlib import closing


def abort_download(ftp: ftplib.FTP) -> None:
    with closing(ftp.transfercmd("RETR pub/big")) as connection:
        connection.recv(1000)
    try:
        reply = ftp.abort()
    except ftplib.Error as error:  # pure-ftpd's first reply is a 150
        reply = str(error)
    print("aborted", reply, flush=True)


def await_noop(ftp: ftplib.FTP) -> None:
    """Read what the server sends beyond the one reply for which abort() waits."""
    ftp.putcmd("NOOP")
    reply = ""
    while not reply.startswith("200"):
        reply = ftp.getmultiline()
        print("reply", reply, flush=True)


def main(host: str, mode: str, times: str) -> None:
    with ftplib.FTP(host, timeout=60) as ftp:
        ftp.login()
        ftp.set_pasv(mode == "passive")
        for _ in range(int(times)):
            abort_download(ftp)
            await_noop(ftp)
            ftp.retrlines("RETR hello", lambda line: print("line", line, flush=True))


if __name__ == "__main__":
    main(*sys.argv[1:])
