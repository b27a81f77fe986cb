from __future__ import annotations

import ipaddress
from pathlib import Path

import pytest

from fwhelpers.config.model import HelperConfig
from fwhelpers.daemon import worker_config
from fwhelpers.daemon.worker_config import kernel_max, max_expectations, third_parties

PROXIES = (ipaddress.ip_network("10.9.0.0/16"),)


@pytest.mark.parametrize(
    ("workers", "kernel", "most"),
    [
        (1, 4096, 1024),
        (2, 4096, 512),
        (4, 4096, 256),
        (8, 4096, 256),
        (16, 4096, 128),
        (1, 1024, 512),
        (2, 256, 64),
        (64, 16, 1),
    ],
)
def test_the_workers_share_half_of_the_kernels_table(workers: int, kernel: int, most: int) -> None:
    assert max_expectations(workers, kernel) == most


def test_an_unreadable_size_is_taken_for_a_small_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(worker_config, "_KERNEL_MAX", tmp_path / "missing")
    assert kernel_max() == 1024
    (tmp_path / "size").write_text("4096\n")
    monkeypatch.setattr(worker_config, "_KERNEL_MAX", tmp_path / "size")
    assert kernel_max() == 4096


@pytest.mark.parametrize(
    ("name", "guard", "expected"),
    [
        ("calls", {}, False),
        ("calls", {"address": "announced"}, True),
        ("calls", {"address": "any-src"}, True),
        ("calls", {"addresses": PROXIES}, True),
        ("ftp", {"address": "announced"}, True),
    ],
)
def test_third_parties(name: str, guard: dict[str, object], expected: bool) -> None:
    assert third_parties([HelperConfig(name, (1,), guard=guard)]) is expected
