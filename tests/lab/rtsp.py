"""RTSP: servers of GStreamer and VLC, ffmpeg and GStreamer as clients."""

from __future__ import annotations

from subprocess import CompletedProcess

from lab import PROGRAMS
from lab.phones import write_tone
from lab.process import PATIENCE, Process
from lab.topology import SERVER, Lab

PORT = 8554
VLC_PORT = 7070

#: the distribution's Python has GStreamer's bindings
_PYTHON = "/usr/bin/python3"
_WAVE = "/run/lab/rtsp.wav"
_NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")


def start_server(lab: Lab) -> list[Process]:
    """Start GStreamer's server on s, one for IPv4 and one for IPv6."""
    write_tone(lab.namespaces["s"].path(_WAVE))
    servers = []
    for family, address in SERVER.items():
        command = (_PYTHON, str(PROGRAMS / "rtsp_server.py"), address, str(PORT), _WAVE)
        server = lab.popen("s", *command, name=f"rtsp-server{family}")
        server.wait_line("^ready$")
        servers.append(server)
    lab.open("tcp", PORT)
    return servers


def start_vlc(lab: Lab) -> Process:
    """Start VLC as a server with one stream on s. It refuses to run as root."""
    wave = lab.namespaces["s"].path(_WAVE)
    write_tone(wave)
    wave.chmod(0o644)
    transcode = "transcode{acodec=alaw,samplerate=8000,channels=1}"
    chain = f"#{transcode}:rtp{{sdp=rtsp://:{VLC_PORT}/audio}}"
    options = ("-I", "dummy", "--no-dbus", "-vv", "--no-color", "--rtsp-host", SERVER[4])
    vlc = ("cvlc", *options, "--loop", _WAVE, "--sout", chain, "--sout-keep")
    server = lab.popen("s", *_NOBODY, "env", "HOME=/nonexistent", *vlc, name="vlc")
    server.wait_line("RTSP: adding /audio")
    lab.open("tcp", VLC_PORT)
    return server


def url(lab: Lab, family: int = 4, path: str = "audio", port: int = PORT) -> str:
    """Return the URL that the client uses."""
    target = lab.target(family)
    host = f"[{target}]" if family == 6 else target
    return f"rtsp://{host}:{port}/{path}"


def ffmpeg(
    lab: Lab, transport: str, family: int = 4, *, timeout: float = 60
) -> CompletedProcess[str]:
    """Receive a second of both streams; the caller checks the status. Over UDP ffmpeg waits for ever."""
    source = ("-rtsp_transport", transport, "-i", url(lab, family))
    command = ("ffmpeg", "-nostdin", "-loglevel", "error", *source)
    return lab.run(
        "c", *command, "-t", "1", "-map", "0", "-f", "null", "-", check=False, timeout=timeout
    )


def gstreamer(
    lab: Lab, address: str, transport: str, streams: int, *actions: str
) -> CompletedProcess[str]:
    """Play so many streams with rtspsrc, and then do what `actions` say; the caller checks the status."""
    command = (_PYTHON, str(PROGRAMS / "rtsp_client.py"), address, transport, str(streams))
    # the first run reads all of GStreamer's plugins
    return lab.run("c", *command, *actions, check=False, timeout=PATIENCE)
