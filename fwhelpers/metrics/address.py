"""Addresses to listen on: HOST:PORT, [IPV6]:PORT, or unix:PATH."""

from __future__ import annotations

from typing import NamedTuple


class Address(NamedTuple):
    """A TCP address, or a Unix socket's path with port 0."""

    host: str
    port: int

    @property
    def is_unix(self) -> bool:
        return self.port == 0

    def __str__(self) -> str:
        if self.is_unix:
            return f"unix:{self.host}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse(text: str) -> Address:
    """Parse an address. Raises ValueError with the reason."""
    if text.startswith("unix:"):
        path = text.removeprefix("unix:")
        if not path.startswith("/"):
            raise ValueError(f"{text}: the path of a Unix socket must be absolute")
        return Address(path, 0)
    host, colon, port = text.rpartition(":")
    if not colon or not host:
        raise ValueError(f"{text}: must be HOST:PORT or unix:PATH")
    if not (port.isascii() and port.isdecimal() and 1 <= int(port) <= 65535):
        raise ValueError(f"{text}: the port must be between 1 and 65535")
    if host.startswith("[") != host.endswith("]") or (":" in host and not host.startswith("[")):
        raise ValueError(f"{text}: an IPv6 address is written [ADDRESS]:PORT")
    return Address(host.strip("[]"), int(port))
