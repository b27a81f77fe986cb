"""Run a command by rexec(3) of the C library; print its output and its standard error.

Runs in a namespace as `python rexec_client.py HOST COMMAND`, with a host of IPv4.
"""

from __future__ import annotations

import ctypes
import os
import socket
import sys

PORT = 512


def rexec(host: str, command: str) -> tuple[int, int]:
    """Return the descriptors of the command's output and of its standard error. Raises OSError."""
    library = ctypes.CDLL("libc.so.6", use_errno=True)
    name = ctypes.c_char_p(host.encode())
    errors = ctypes.c_int(-1)
    port = socket.htons(PORT)
    output = library.rexec(
        ctypes.byref(name), port, b"root", b"secret", command.encode(), ctypes.byref(errors)
    )
    if output < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return output, errors.value


def main(host: str, command: str) -> None:
    for name, descriptor in zip(("out", "err"), rexec(host, command), strict=True):
        with open(descriptor) as stream:
            print(f"{name}: {stream.read().strip()}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
