"""Two gateways with certificates."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from gateways_pair import Gateway
from shipped import need


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[tuple[Gateway, Gateway]]:
    """Two gateways that are not started yet."""
    need("openssl")
    both = Gateway(tmp_path / "a", 1, free_port()), Gateway(tmp_path / "b", 2, free_port())
    yield both
    for gateway in both:
        gateway.stop(kill=True)
