"""RTSP streams through a gateway that accepts related traffic alone: servers of GStreamer and VLC, two clients."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from lab.rtsp import VLC_PORT, ffmpeg, gstreamer, start_server, start_vlc, url
from lab.topology import Lab


@pytest.fixture(scope="module", params=["none", "snat", "both"])
def gateway(request: pytest.FixtureRequest) -> Iterator[Lab]:
    with Lab(nat=request.param) as lab:
        start_server(lab)
        lab.start_fwhelpers("[helpers.rtsp]\n")
        yield lab


@pytest.mark.parametrize("family", [4, 6])
def test_two_streams_over_udp(gateway: Lab, family: int) -> None:
    done = ffmpeg(gateway, "udp", family)
    assert done.returncode == 0, done.stderr


def test_streams_within_the_connection(gateway: Lab) -> None:
    done = ffmpeg(gateway, "tcp")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_play_pause_seek_and_end(gateway: Lab, transport: str) -> None:
    """Packets of both streams arrive after each."""
    address = url(gateway, path="file")
    done = gstreamer(gateway, address, transport, 2, "pause", "seek")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.split() == ["playing", "paused", "resumed", "sought", "stopped"]


def test_nothing_was_dropped(gateway: Lab) -> None:
    assert gateway.dropped() == 0


@pytest.mark.nat("snat")
def test_the_server_of_vlc(lab: Lab) -> None:
    """It takes odd ports, states another transport than the client, and sends before its response to PLAY."""
    lab.start_fwhelpers("[helpers.rtsp]\n")
    start_vlc(lab)
    done = gstreamer(lab, url(lab, port=VLC_PORT), "udp", 1)
    assert done.returncode == 0, done.stdout + done.stderr


def test_without_helper_nothing_arrives_over_udp(lab: Lab) -> None:
    start_server(lab)
    assert ffmpeg(lab, "tcp").returncode == 0
    assert ffmpeg(lab, "udp", timeout=15).returncode != 0
    assert lab.dropped() > 0
