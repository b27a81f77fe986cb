"""What the service says about an FTP session, as the tests of `fwhelpers explain` use it."""

from __future__ import annotations

from typing import Any

MASTER: dict[str, Any] = {
    "transport": "tcp", "source": "10.0.1.2", "source_port": 41234,
    "destination": "10.0.2.2", "destination_port": 21,
}  # fmt: skip
EXPECTATION: dict[str, Any] = {
    "id": "1", "state": "pending", "helper": "ftp", "kernel_name": "fw-ftp", "plugin": "ftp",
    "announcement": "PASV", "timeout": 60, "remaining": 57, "flags": [], "zone": 0,
    "transport": "tcp", "source": "10.0.1.2", "source_mask": "255.255.255.255", "source_port": 0,
    "source_port_mask": 0, "destination": "10.0.2.2", "destination_port": 40021,
    "master": MASTER, "connections": [],
}  # fmt: skip
REFUSAL: dict[str, Any] = {
    "helper": "ftp", "kernel_name": "fw-ftp", "transport": "tcp", "announcement": "PORT",
    "endpoint": "10.0.1.2:22", "reason": "below 1024", "rule": "G6", "time": 100.0,
    "client": "10.0.1.2:41234", "server": "10.0.2.2:21",
}  # fmt: skip
HELPER: dict[str, Any] = {
    "name": "ftp", "kernel_name": "fw-ftp", "enabled": True, "transports": ["tcp"], "ports": [21],
    "interfaces": [],
}  # fmt: skip
