from __future__ import annotations

from importlib.machinery import ModuleSpec
from typing import Any

import pytest

from fwhelpers.cli import build


@pytest.mark.parametrize(
    ("file", "kind"),
    [("inspector.py", "interpreted"), ("inspector.cpython-311-x86_64-linux-gnu.so", "compiled")],
)
def test_kind(file: str, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def find(name: str, *arguments: Any) -> ModuleSpec:
        return ModuleSpec(name, None, origin=f"/usr/lib/fwhelpers/engine/{file}")

    monkeypatch.setattr(build, "find_spec", find)
    assert build.kind() == kind
    assert build.version().endswith(f" ({kind})")
