"""Download a file over FTP, alternating passive and active mode, until /run/lab/end exists.

Prints the number of successful downloads, and at the end "end SUCCESSFUL FAILED".
"""

from __future__ import annotations

import ftplib
import io
import os

SERVER = "10.0.2.2"


def session(passive: bool) -> int:
    """Download three times in one session; return the number of downloads."""
    with ftplib.FTP(SERVER, "ftp", "x", timeout=150) as ftp:
        ftp.set_pasv(passive)
        for _ in range(3):
            content = io.BytesIO()
            ftp.retrbinary("RETR hello", content.write)
            assert content.getvalue() == b"served by ftp\n", content.getvalue()
    return 3


def main() -> None:
    successful = failed = 0
    passive = True
    while not os.path.exists("/run/lab/end"):
        try:
            successful += session(passive)
        except Exception as error:
            failed += 1
            print("failed:", type(error).__name__, error, flush=True)
        passive = not passive
        print("ftp", successful, flush=True)
    print("end", successful, failed, flush=True)


if __name__ == "__main__":
    main()
