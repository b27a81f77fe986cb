"""saned with its test backend, which generates pictures, and scanimage."""

from __future__ import annotations

from subprocess import CompletedProcess

from lab.topology import SERVER, Lab

_SERVER = """
set -e
mkdir -p /run/lab/saned
echo test > /run/lab/saned/dll.conf
printf '10.0.0.0/8\\n[fd01::]/64\\n[fd02::]/64\\n' > /run/lab/saned/saned.conf
"""
_CLIENT = """
set -e
mkdir -p /run/lab/sane
echo net > /run/lab/sane/dll.conf
: > /run/lab/sane/net.conf
"""

#: a picture of 8 by 8 mm, black, by the test backend
_PICTURE = ("--mode", "Gray", "--resolution", "50", "-x", "8", "-y", "8", "--format", "pnm")


def start_saned(lab: Lab) -> None:
    """Start saned on s, one for IPv4 and one for IPv6."""
    server = lab.namespaces["s"]
    server.run("sh", "-c", _SERVER)
    lab.run("c", "sh", "-c", _CLIENT)
    for family, address in SERVER.items():
        server.popen(
            *(
                "env",
                "SANE_CONFIG_DIR=/run/lab/saned",
                "saned",
                "-l",
                "-e",
                "-d",
                "2",
                "-b",
                address,
            ),
            name=f"saned{family}",
        )
        server.wait_listening("tcp", 6566, family)
    lab.open("tcp", 6566)


def scan(lab: Lab, family: int = 4, *more: str, timeout: float = 60) -> CompletedProcess[str]:
    """Scan a picture into /run/lab/picture and print its first line; the caller checks the result."""
    host = lab.target(family)
    device = f"net:[{host}]:test:0" if family == 6 else f"net:{host}:test:0"
    # at the first SIGTERM scanimage only cancels the scan and continues to wait
    command = ["timeout", "-k5", str(timeout), "scanimage", "-d", device, *_PICTURE, *more]
    return lab.run(
        "c", "env", "SANE_CONFIG_DIR=/run/lab/sane", "sh", "-c",
        'rm -f /run/lab/picture; "$@" > /run/lab/picture; status=$?; head -n1 /run/lab/picture; exit $status',
        "scan", *command, check=False, timeout=timeout + 30,
    )  # fmt: skip
