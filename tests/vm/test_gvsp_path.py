"""GigE Vision with aravis through the gateway: the images of a camera reach the host that controls it."""

from __future__ import annotations

import pytest
from lab.camera import start_camera, take_images
from lab.topology import Lab

GVSP = "[daemon]\nworkers = 1\n[helpers.gvsp]\n"


@pytest.mark.nat("snat")
def test_images_arrive(lab: Lab) -> None:
    start_camera(lab)
    daemon = lab.start_fwhelpers(GVSP)
    assert take_images(lab)
    assert lab.dropped() == 0
    assert not [line for line in daemon.lines if "refused" in line or "failed" in line]


def test_without_the_helper_there_is_no_image(lab: Lab) -> None:
    start_camera(lab)
    assert take_images(lab) == 0
    assert lab.dropped()
