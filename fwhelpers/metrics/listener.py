"""The HTTP listener of `fwhelpers metrics --listen`: GET /metrics, and nothing else."""

from __future__ import annotations

import os
import socket
import stat
import sys
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from socketserver import BaseServer, TCPServer, ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from prometheus_client import make_wsgi_app

from fwhelpers.metrics.address import Address
from fwhelpers.metrics.exposition import Fetch, registry

MAX_REQUESTS = 16  #: at a time; further connections are closed
TIMEOUT = 10  #: seconds that a client may be silent


class _Handler(WSGIRequestHandler):
    timeout = TIMEOUT

    def log_message(self, format: str, *args: Any) -> None:
        """Log nothing: a scrape every few seconds is no news."""


class Listener(ThreadingMixIn, WSGIServer):
    """One thread for each request. Raises OSError if the address cannot be used."""

    daemon_threads = True

    def __init__(self, address: Address, fetch: Fetch) -> None:
        self._slots = threading.BoundedSemaphore(MAX_REQUESTS)
        self._is_unix = address.is_unix
        self.address_family = _family(address)
        super().__init__(_socket_address(address), _Handler)
        self.set_app(application(fetch))

    def server_bind(self) -> None:
        if not self._is_unix:
            # HTTPServer would ask DNS for our name, which its unit's IPAddressDeny= makes slow
            TCPServer.server_bind(self)
            self.server_name, self.server_port = (
                str(self.server_address[0]),
                int(self.server_address[1]),
            )
            self.setup_environ()
            return
        path = Path(str(self.server_address))
        _remove_stale(path)
        self.socket.bind(str(path))
        # any local user can read the same numbers over D-Bus
        path.chmod(0o666)
        self.server_name, self.server_port = "localhost", 0
        self.setup_environ()

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        return connection, address or ("local", 0)  # clients of Unix sockets have no address

    def process_request(self, request: Any, client_address: Any) -> None:
        if self._slots.acquire(blocking=False):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._slots.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log errors of ours; clients that leave or are silent are none."""
        if not isinstance(sys.exc_info()[1], OSError):
            BaseServer.handle_error(self, request, client_address)


def application(fetch: Fetch) -> Any:
    """Return the WSGI application."""
    metrics = make_wsgi_app(registry(fetch))

    def serve(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ["PATH_INFO"] != "/metrics":
            start_response("404 Not Found", [("Content-Type", "text/plain")])
            return [b"see /metrics\n"]
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            start_response("405 Method Not Allowed", [("Allow", "GET, HEAD")])
            return []
        # the library's filter by name does not work with collectors that describe nothing
        response: Iterable[bytes] = metrics({**environ, "QUERY_STRING": ""}, start_response)
        return response

    return serve


def _family(address: Address) -> socket.AddressFamily:
    if address.is_unix:
        return socket.AF_UNIX
    return socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)[0][0]


def _socket_address(address: Address) -> Any:
    return address.host if address.is_unix else (address.host, address.port)


def _remove_stale(path: Path) -> None:
    """Remove the socket of a listener that has ended. Raises OSError if one is listening."""
    with suppress(FileNotFoundError):
        if not stat.S_ISSOCK(os.lstat(path).st_mode):
            return  # bind will say so
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(path))
            except ConnectionRefusedError:
                path.unlink()
