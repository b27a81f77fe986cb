"""An industrial camera (GigE Vision) on s, and a host on c that takes images: aravis has both."""

from __future__ import annotations

import re

from lab.topology import SERVER, Lab

PORT = 3956
_IMAGES = re.compile(r"^n_completed_buffers\s*= (\d+)$", re.MULTILINE)


def start_camera(lab: Lab) -> None:
    lab.open("udp", PORT)
    lab.popen("s", "arv-fake-gv-camera-0.8", "-i", SERVER[4], name="camera")
    lab.namespaces["s"].wait_listening("udp", PORT)


def take_images(lab: Lab, seconds: int = 3) -> int:
    """Take images for so long; return how many were complete. Raises LabError if the camera does not answer."""
    done = lab.run(
        *("c", "arv-camera-test-0.8", "-n", lab.target(), "-w", "64", "-h", "64", "-f", "5"),
        *("--duration", str(seconds)),
    )
    match = _IMAGES.search(done.stdout)
    return int(match[1]) if match else 0
