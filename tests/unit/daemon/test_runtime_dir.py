"""The lock of the service."""

from __future__ import annotations

from pathlib import Path

import pytest

from fwhelpers.daemon.runtime_dir import AlreadyRunning, Lock, is_locked, require_stopped


def test_one_service_runs_at_a_time(tmp_path: Path) -> None:
    runtime = tmp_path / "run"
    assert not is_locked(runtime)
    lock = Lock(runtime)
    assert is_locked(runtime)
    with pytest.raises(AlreadyRunning, match="another fwhelpers is running"):
        Lock(runtime)
    lock.release()
    assert not is_locked(runtime)


def test_require_stopped_raises_while_the_service_runs(tmp_path: Path) -> None:
    require_stopped(tmp_path / "run")
    lock = Lock(tmp_path)
    try:
        with pytest.raises(AlreadyRunning, match="the service is running"):
            require_stopped(tmp_path)
    finally:
        lock.release()
