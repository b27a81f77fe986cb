"""Debian packages for the lab's systems, built before the VM boots: this version, an older one, a plugin."""

from __future__ import annotations

import shutil
from pathlib import Path

from lab import image
from lab.process import run
from lab.system import System

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ROOT / "build" / "packages"
PLUGIN = ROOT / "examples" / "fwhelpers-foo"
OLDER = "0.0.9"  #: the same tree with another version number; the upgrade itself is tested
OLDER_LAYER = ROOT / "build" / "layer-older"
BROUGHT = "/var/cache/debs"  #: the packages' folder in a system


def build() -> None:
    """Build the packages that are not current. Raises LabError."""
    image.make_layer(image.packages())
    older = run([str(image.BUILD), "--version", OLDER], timeout=600).stdout.split()
    image.make_layer(image.without_cockpit(map(Path, older)), OLDER_LAYER)
    _plugin_folder().mkdir(parents=True, exist_ok=True)
    run([str(ROOT / "packaging/build-plugin-deb"), str(PLUGIN), str(_plugin_folder())], timeout=600)


def _plugin_folder() -> Path:
    return PACKAGES / "plugin"


class Debs:
    """The packages, as files in a system."""

    def __init__(self, system: System) -> None:
        self._system = system
        self.now = self._bring(PACKAGES, "now")
        (self.plugin,) = self._bring(_plugin_folder(), "plugin")
        # under emulation these take minutes: bytecode of all modules, the index of all man pages
        system.write("/usr/bin/py3compile", "#!/bin/sh\n")
        system.path("/var/lib/man-db/auto-update").unlink(missing_ok=True)

    def _bring(self, folder: Path, name: str) -> list[str]:
        inside = f"{BROUGHT}/{name}"
        self._system.path(inside).mkdir(parents=True)
        files = sorted(image.without_cockpit(folder.glob("*.deb")))
        for deb in files:
            shutil.copy(deb, self._system.path(inside))
        return [f"{inside}/{deb.name}" for deb in files]

    def dpkg(self, *arguments: str) -> str:
        """Run dpkg in the system and return its output. Raises LabError."""
        done = self._system.run("dpkg", *arguments, timeout=400)
        return done.stdout + done.stderr
