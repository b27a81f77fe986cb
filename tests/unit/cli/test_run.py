"""`run`, `register`, `release`, `unregister`: calls the daemon's code."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from fwhelpers.api import Helper
from fwhelpers.cli.main import main

pytestmark = pytest.mark.usefixtures("installed")


def test_run_hands_over_the_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fwhelpers.daemon.main.run", lambda path: 3 if path == tmp_path else 4)
    assert main(["run", "--config", str(tmp_path)]) == 3


@pytest.mark.parametrize(("problem", "status"), [({}, 0), ({"foo": "no"}, 1)])
def test_register_takes_every_installed_helper(
    problem: dict[str, str],
    status: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def register(helpers: Mapping[str, Helper], pin: bool) -> dict[str, str]:
        assert pin
        assert list(helpers) == ["foo", "bar"]
        return problem

    monkeypatch.setattr("fwhelpers.registration.register.register", register)
    assert main(["register", "--config", str(tmp_path / "none")]) == status
    out, err = capsys.readouterr()
    assert out == f"registered: {'bar' if problem else 'foo, bar'}\n"
    assert ("fwhelpers: error: foo: no" in err) == bool(problem)
    assert "warning: plugin bad (bad-dist 2.0)" in err


@pytest.mark.parametrize(
    ("names", "expected"), [(["foo", "bar"], "foo, bar"), ([], "none; no helper was registered")]
)
def test_unregister_lists_removed_helpers(
    names: list[str],
    expected: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("fwhelpers.registration.register.unregister", lambda: names)
    monkeypatch.setattr("fwhelpers.daemon.runtime_dir.require_stopped", lambda: None)
    assert main(["unregister"]) == 0
    assert capsys.readouterr().out == f"removed: {expected}\n"


def test_release_disables_all(monkeypatch: pytest.MonkeyPatch) -> None:
    done = []

    class Registry:
        def disable_all(self) -> None:
            done.append("disabled")

    monkeypatch.setattr("fwhelpers.registration.cthelpers.CtHelperTable", Registry)
    assert main(["release"]) == 0
    assert done == ["disabled"]
