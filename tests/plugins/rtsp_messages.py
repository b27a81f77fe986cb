"""Messages of RTSP."""

from __future__ import annotations

URL = "rtsp://10.0.2.2/a"


def request(
    method: str, cseq: int = 1, transport: str = "", session: str = "", body: str = ""
) -> bytes:
    """Return a request."""
    return _message(f"{method} {URL} RTSP/1.0", cseq, transport, session, body)


def response(
    status: int = 200, cseq: int = 1, transport: str = "", session: str = "", body: str = ""
) -> bytes:
    """Return a response."""
    return _message(f"RTSP/1.0 {status} OK", cseq, transport, session, body)


def frame(size: int, channel: int = 0) -> bytes:
    """Return interleaved data."""
    return b"$" + bytes([channel]) + size.to_bytes(2, "big") + bytes(size)


def _message(start: str, cseq: int, transport: str, session: str, body: str) -> bytes:
    lines = [start, f"CSeq: {cseq}"]
    lines += [f"Transport: {transport}"] * bool(transport)
    lines += [f"Session: {session}"] * bool(session)
    lines += [f"Content-Length: {len(body)}"] * bool(body)
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()
