"""The kernel's own helpers: which are missing, and which lack their translation."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from fwhelpers.api import Helper, KernelHelper, Parser
from fwhelpers.kernel.nft import Nft, NftError
from fwhelpers.plugin import manager as plugins
from fwhelpers.registration import kernel_helpers

FTP = Helper(
    "ftp", "tcp", [21], Parser, kernel=[KernelHelper("ftp", "tcp", "nf_conntrack_ftp", "nf_nat_ftp")]
)  # fmt: skip
SANE = Helper(
    "sane", "tcp", [6566], Parser, kernel=[KernelHelper("sane", "tcp", "nf_conntrack_sane")]
)


class FakeNft:
    """Knows these helpers."""

    def __init__(self, *names: str) -> None:
        self.names = names

    def check(self, text: str) -> None:
        if not any(f'type "{name}"' in text for name in self.names):
            raise NftError("nftables: Could not process rule: No such file or directory")


def missing(*names: str) -> dict[str, str]:
    return kernel_helpers.missing([FTP, SANE], cast(Nft, FakeNft(*names)))


def test_missing_helpers_name_their_module() -> None:
    assert missing("ftp", "sane") == {}
    assert missing("ftp") == {
        "sane": "the kernel has no helper of its own: modprobe nf_conntrack_sane, then fwhelpers reload"
    }
    assert list(missing()) == ["ftp", "sane"]


def test_the_package_loads_the_translation_with_the_helper() -> None:
    text = (Path(__file__).parents[3] / "packaging/modprobe.d/fwhelpers.conf").read_text()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    kernel = [k for helper in plugins.load().helpers.values() for k in helper.kernel if k.nat]
    assert lines == sorted({f"softdep {k.module} post: {k.nat}" for k in kernel})


def test_translation_needs_a_module_of_its_own(tmp_path: Path) -> None:
    (line,) = kernel_helpers.untranslated([FTP, SANE], tmp_path)
    assert line == (
        "ftp: the kernel's helper does not work through NAT: module nf_nat_ftp is not loaded (modprobe nf_nat_ftp)"
    )
    (tmp_path / "nf_nat_ftp").mkdir()
    assert not list(kernel_helpers.untranslated([FTP, SANE], tmp_path))
