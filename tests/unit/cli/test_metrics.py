"""`fwhelpers metrics --output` replaces its file, so that it must be one."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from fwhelpers.cli.main import main


def test_only_a_regular_file_is_replaced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("prometheus_client")
    fifo, link = tmp_path / "fifo", tmp_path / "link"
    os.mkfifo(fifo)
    link.symlink_to(fifo)
    for path in (fifo, link, tmp_path):
        assert main(["metrics", "--output", str(path)]) == 1
        assert f"{path}: not a regular file\nhint: omit --output" in capsys.readouterr().err
    assert stat.S_ISFIFO(fifo.stat().st_mode)
    assert link.is_symlink()
