"""The loads: which program sends what, and how many expectations it asks for."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from lab.topology import CLIENT, SERVER, Lab

GROUP = "239.255.255.250"


@dataclass(frozen=True)
class Load:
    """Arguments of load.c or voice.c, and what is to be expected of a helper."""

    arguments: tuple[str, ...]
    expectations: int | None = None  #: so many must be made; None: it depends on the helper
    source: str = "c"  #: the namespace that sends
    figure: str = "per_s"
    program: str = "load"

    def run(self, lab: Lab, programs: Path) -> dict[str, float]:
        """Run it to its end and return its figures."""
        program = str(programs / self.program)
        output = lab.run(self.source, program, *self.arguments, timeout=600).stdout
        figures: dict[str, float] = json.loads(output)
        return figures


def loads(scale: float) -> dict[str, Load]:
    """All loads; `scale` 1 takes some ten seconds each in an emulated machine with a fast helper."""

    def count(number: int) -> str:
        return str(max(1, int(number * scale)))

    server = SERVER[4]
    ports, transfers, files = count(3000), count(6), count(1500)
    searches = count(2000)
    return {
        "rpc-same": Load(("rpc", server, count(10000), "1", "32", "3")),
        "rpc-sockets": Load(("rpc", server, count(10000), "16", "4", "3")),
        "rpc-latency": Load(("rpc", server, count(1500), "1", "1", "3"), figure="median_ms"),
        "rpc-ports": Load(("rpc", server, ports, "1", "32", "1"), int(ports)),
        "ftp": Load(("ftp", server, "100", transfers, "PASV"), 100 * int(transfers)),
        "ftp-epsv": Load(("ftp", server, "100", transfers, "EPSV"), 100 * int(transfers)),
        "tftp": Load(("tftp", server, files, "32"), int(files)),
        "ssdp": Load(("ssdp", GROUP, searches, "200"), int(searches), source="g"),
        "bulk": Load(("bulk", server), figure="mb_per_s"),
        "flood": Load(("flood", server, count(5000))),
        "sip": Load(("sip", server, count(1500), "8", CLIENT[4]), program="voice"),
        "rtsp": Load(("rtsp", server, count(200)), figure="mb_per_s", program="voice"),
    }
