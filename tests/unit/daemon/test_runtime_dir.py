"""The daemon's few files, and what is not done while its lock is held."""

from __future__ import annotations

from pathlib import Path

import pytest

from fwhelpers.daemon.runtime_dir import AlreadyRunning, Lock, is_locked
from fwhelpers.registration import register


def test_one_at_a_time(tmp_path: Path) -> None:
    runtime = tmp_path / "run"
    assert not is_locked(runtime)
    lock = Lock(runtime)
    assert is_locked(runtime)
    with pytest.raises(AlreadyRunning, match="another fwhelpers is running"):
        Lock(runtime)
    lock.release()
    assert not is_locked(runtime)


def test_nothing_is_unregistered_while_the_service_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(register, "RUNTIME", tmp_path)
    lock = Lock(tmp_path)
    try:
        with pytest.raises(AlreadyRunning, match="keeps them registered"):
            register.unregister()
    finally:
        lock.release()
