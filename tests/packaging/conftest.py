"""What is shipped, built once for all tests of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from shipped import ROOT, build_wheel, need, run


@pytest.fixture(scope="session")
def debs() -> dict[str, Path]:
    """The Debian packages by name."""
    need("dpkg-buildpackage", "dh", "lintian")
    files = map(Path, run(ROOT / "packaging/build-deb").split())
    return {file.name.split("_")[0]: file for file in files}


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of fwhelpers."""
    return build_wheel(ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="session")
def plugin_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of the example plugin."""
    return build_wheel(ROOT / "examples/fwhelpers-foo", tmp_path_factory.mktemp("plugin-wheel"))
