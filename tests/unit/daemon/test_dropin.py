"""The drop-in that keeps what was switched: written whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from fwhelpers.config import overrides
from fwhelpers.daemon.dropin import DropIn, DropInError


def test_overrides_are_added_and_undone(tmp_path: Path) -> None:
    drop_in = DropIn(tmp_path)
    assert drop_in.add("ftp", False) is None
    before = drop_in.add("rpc", True)
    assert overrides.parse(drop_in.path.read_text()) == {"ftp": False, "rpc": True}
    drop_in.restore(before)
    assert overrides.parse(drop_in.path.read_text()) == {"ftp": False}
    drop_in.restore(None)
    assert not drop_in.path.exists()
    assert list((tmp_path / "conf.d").iterdir()) == []


def test_a_configuration_in_a_single_file_has_no_drop_ins(tmp_path: Path) -> None:
    file = tmp_path / "one.toml"
    file.write_text("")
    with pytest.raises(DropInError, match="is a single file"):
        DropIn(file).add("ftp", True)


def test_an_unreadable_drop_in_is_not_overwritten(tmp_path: Path) -> None:
    drop_in = DropIn(tmp_path)
    drop_in.path.parent.mkdir()
    drop_in.path.write_text("[")
    with pytest.raises(DropInError, match="correct or remove it"):
        drop_in.add("ftp", True)
    assert drop_in.path.read_text() == "["


def test_an_unwritable_directory_is_reported(tmp_path: Path) -> None:
    (tmp_path / "conf.d").write_text("a file where the folder belongs")
    with pytest.raises(DropInError, match=r"zz-enabled\.toml: Not a directory"):
        DropIn(tmp_path).add("ftp", True)


def test_the_drop_in_is_read_last() -> None:
    others = ["50-site.toml", "99-last.toml", "conntrackd.toml", "zebra.toml"]
    assert max([*others, overrides.FILE]) == overrides.FILE
