"""The cause of a missing kernel feature: configuration, modules or version."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from fwhelpers.kernel.features import Kernel, Requirement
from fwhelpers.kernel.probe import rule_hint

RELEASE = "6.1.0-test"
QUEUE = Requirement("NFT_QUEUE", "nft_queue")


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    return Kernel(RELEASE, tmp_path)


def configure(kernel: Kernel, text: str) -> None:
    file = kernel.root / "proc/config.gz"
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(gzip.compress(text.encode()))


def install(kernel: Kernel, *modules: str) -> None:
    kernel.modules_directory.mkdir(parents=True, exist_ok=True)
    lines = [f"kernel/net/{module.replace('_', '-')}.ko.xz:\n" for module in modules]
    (kernel.modules_directory / "modules.dep").write_text("".join(lines))


def test_a_disabled_option_is_named(kernel: Kernel) -> None:
    configure(kernel, "CONFIG_NFT_CT=y\n# CONFIG_NFT_QUEUE is not set\n")
    assert f"kernel {RELEASE} is built without CONFIG_NFT_QUEUE" in kernel.explain([QUEUE])


def test_the_option_is_read_from_the_boot_directory(kernel: Kernel) -> None:
    (kernel.root / "boot").mkdir()
    (kernel.root / "boot" / f"config-{RELEASE}").write_text("CONFIG_NFT_QUEUE=m\n")
    assert kernel.option("NFT_QUEUE") == "m"
    assert kernel.option("NFT_CT") == "n"


def test_a_damaged_configuration_is_ignored(kernel: Kernel) -> None:
    (kernel.root / "proc").mkdir()
    (kernel.root / "proc/config.gz").write_bytes(b"\x1f\x8b damaged")
    assert kernel.option("NFT_QUEUE") is None


def test_an_installed_module_is_to_be_loaded(kernel: Kernel) -> None:
    install(kernel, "nft_queue")
    assert kernel.explain([QUEUE]) == "load the module: modprobe nft_queue"


def test_a_missing_module_is_named(kernel: Kernel) -> None:
    install(kernel, "nft_ct")
    missing = f"kernel {RELEASE} has no module nft_queue (CONFIG_NFT_QUEUE): apt install "
    assert kernel.explain([QUEUE]).startswith(missing)


@pytest.mark.parametrize("state", ["built in", "loaded"])
def test_a_requirement_that_is_met_is_not_blamed(kernel: Kernel, state: str) -> None:
    if state == "built in":
        configure(kernel, "CONFIG_NFT_QUEUE=y\n")
    else:
        (kernel.root / "sys/module/nft_queue").mkdir(parents=True)
    assert kernel.explain([QUEUE]) == ""


def test_an_unknown_cause_is_called_so(kernel: Kernel) -> None:
    assert kernel.explain([QUEUE]) == (
        "the kernel needs CONFIG_NFT_QUEUE (modprobe nft_queue); its configuration is not readable"
    )


def test_a_certain_cause_comes_before_an_uncertain_one(kernel: Kernel) -> None:
    install(kernel, "other")
    assert "nft_queue" in kernel.explain([Requirement("NETFILTER_NETLINK_GLUE_CT"), QUEUE])


def test_a_kernel_version_is_blamed_only_if_it_is_too_old(tmp_path: Path) -> None:
    error = "Could not process rule: No such file or directory"
    assert "5.10.0 is too old" in rule_hint(error, QUEUE, Kernel("5.10.0", tmp_path))
    assert "old" not in rule_hint(error, QUEUE, Kernel("6.18.44", tmp_path))
    assert "nftables" in rule_hint("syntax error, unexpected @", None, Kernel("6.1", tmp_path))
