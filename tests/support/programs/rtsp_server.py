"""An RTSP server of GStreamer with two streams of audio: `python rtsp_server.py ADDRESS PORT [WAVE]`.

/audio is live; /file is the file WAVE, with 8000 samples a second, which can be paused and sought.
"""

from __future__ import annotations

import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

SOURCE = "audiotestsrc is-live=true ! audio/x-raw,rate=8000 ! alawenc ! rtppcmapay name=pay{} pt=8"
FILE = "filesrc location={} ! wavparse ! alawenc ! rtppcmapay name=pay{} pt=8"


def main(address: str, port: str, wave: str = "") -> None:
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address(address)
    server.set_service(port)
    mounts = {"/audio": [SOURCE.format(number) for number in (0, 1)]}
    if wave:
        mounts["/file"] = [FILE.format(wave, number) for number in (0, 1)]
    for path, streams in mounts.items():
        factory = GstRtspServer.RTSPMediaFactory()
        factory.set_launch("( " + " ".join(streams) + " )")
        server.get_mount_points().add_factory(path, factory)
    server.attach(None)
    print("ready", flush=True)
    GLib.MainLoop().run()


if __name__ == "__main__":
    main(*sys.argv[1:])
