"""An RTSP client of GStreamer: `python rtsp_client.py URL udp|tcp STREAMS [seek]`.

It plays, pauses, plays on, seeks (if that is asked for) and ends the session. Prints a line for each, after data of
every stream has arrived, and the protocol that GStreamer chose.
"""

from __future__ import annotations

import sys
from collections import Counter

import gi

gi.require_version("Gst", "1.0")
from gi.repository import Gst  # noqa: E402

# looked up here, as PyGObject does so at the first use, and not safely in two threads
BUFFER, OK = Gst.PadProbeType.BUFFER, Gst.PadProbeReturn.OK
ENOUGH = 10  #: packets of a stream
SEEK = 20 * Gst.SECOND


class Client:
    def __init__(self, url: str, protocol: str, streams: int) -> None:
        self.streams = streams
        self.arrived: Counter[int] = Counter()
        self.pipeline = Gst.Pipeline()
        self.source = Gst.ElementFactory.make("rtspsrc")
        self.source.set_property("location", url)
        self.source.set_property("protocols", protocol)
        self.source.set_property("latency", 100)
        # so that it does not turn to TCP by itself
        self.source.set_property("timeout", 0)
        self.source.connect("pad-added", self._add_stream)
        self.pipeline.add(self.source)
        self.bus = self.pipeline.get_bus()

    def _add_stream(self, source: Gst.Element, pad: Gst.Pad) -> None:
        sink = Gst.ElementFactory.make("fakesink")
        sink.set_property("async", False)
        self.pipeline.add(sink)
        number = len(self.pipeline.children)
        sink.get_static_pad("sink").add_probe(BUFFER, self._count, number)
        sink.sync_state_with_parent()
        pad.link(sink.get_static_pad("sink"))

    def _count(self, pad: Gst.Pad, info: object, number: int) -> Gst.PadProbeReturn:
        self.arrived[number] += 1
        return OK

    def play(self, action: str) -> None:
        """Play, and wait for data of all streams."""
        self.arrived.clear()
        self.pipeline.set_state(Gst.State.PLAYING)
        self._wait(action)

    def pause(self) -> None:
        self.pipeline.set_state(Gst.State.PAUSED)
        self.pipeline.get_state(10 * Gst.SECOND)
        print("paused", flush=True)

    def seek(self) -> None:
        flags = Gst.SeekFlags.FLUSH
        if not self.pipeline.seek_simple(Gst.Format.TIME, flags, SEEK):
            raise SystemExit("seek failed")
        self.arrived.clear()
        self._wait("sought")

    def stop(self) -> None:
        self.pipeline.set_state(Gst.State.NULL)
        print("stopped", flush=True)

    def _wait(self, action: str) -> None:
        while len(self.arrived) < self.streams or min(self.arrived.values()) < ENOUGH:
            message = self.bus.timed_pop_filtered(100 * Gst.MSECOND, Gst.MessageType.ERROR)
            if message:
                raise SystemExit(str(message.parse_error()))
        print(action, flush=True)


def main(url: str, protocol: str, streams: str, *further: str) -> None:
    Gst.init(None)
    client = Client(url, protocol, int(streams))
    client.play("playing")
    if "pause" in further:
        client.pause()
        client.play("resumed")
    if "seek" in further:
        client.seek()
    client.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
