"""The SELinux policy: compiled with refpolicy's macros, added to Debian's policy, and searched for what it grants.

No machine enforces it here, so the tests show what is allowed, not that it suffices.
"""

from __future__ import annotations

import re
import shutil
from functools import cache
from pathlib import Path

import pytest
from shipped import ROOT, need, run

SOURCES = ROOT / "packaging/selinux"
MAKEFILE = Path("/usr/share/selinux/devel/Makefile")
STORE = Path("/var/lib/selinux/default")
DOMAINS = ("fwhelpers_t", "fwhelpers_exporter_t")
OWN = re.compile(r"fwhelpers_\w+")

Rules = dict[tuple[str, str], set[str]]


@pytest.fixture(scope="module")
def module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled module."""
    need("make", "semodule")
    if not MAKEFILE.exists():
        pytest.skip(f"no {MAKEFILE} (selinux-policy-dev)")
    folder = tmp_path_factory.mktemp("selinux")
    for source in SOURCES.glob("fwhelpers.*"):
        shutil.copy(source, folder)
    run("make", "-f", MAKEFILE, "fwhelpers.pp", cwd=folder)
    return folder / "fwhelpers.pp"


@pytest.fixture(scope="module")
def policy(module: Path) -> Path:
    """Debian's policy with the module, in a store of its own."""
    need("sesearch")
    if not STORE.exists():
        pytest.skip(f"no {STORE} (selinux-policy-default)")
    root = module.parent / "root"
    for folder in (STORE, Path("/etc/selinux/default")):
        shutil.copytree(folder, root / folder.relative_to("/"))
    run("semodule", "-p", root, "-s", "default", "-n", "-i", module)
    (binary,) = (root / "etc/selinux/default/policy").glob("policy.*")
    return binary


@cache
def granted(policy: Path, domain: str) -> Rules:
    """Return the permissions that a domain has, by target and class, also those of all domains and daemons."""
    rules: Rules = {}
    for line in run("sesearch", "-A", "-s", domain, policy).splitlines():
        if match := re.match(r"allow \w+ (\w+):(\w+) (?:\{ (.*?) \}|(\w+));", line):
            target, kind, several, single = match.groups()
            rules.setdefault((target, kind), set()).update((several or single).split())
    return rules


def targets(policy: Path, domain: str, kind: str, permission: str) -> set[str]:
    return {
        target
        for (target, name), permissions in granted(policy, domain).items()
        if name == kind and permission in permissions
    }


def test_it_compiles(module: Path) -> None:
    assert module.stat().st_size


def test_capabilities(policy: Path) -> None:
    def capabilities(domain: str) -> set[str]:
        rules = granted(policy, domain).items()
        return {
            p for (_, kind), permissions in rules if kind.startswith("cap") for p in permissions
        }

    assert capabilities("fwhelpers_t") == {"net_admin"}
    assert capabilities("fwhelpers_exporter_t") == set()


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("permission", ["execmem", "execstack", "execheap", "ptrace", "dyntransition"])  # fmt: skip
def test_processes(policy: Path, domain: str, permission: str) -> None:
    assert targets(policy, domain, "process", permission) == set()


@pytest.mark.parametrize("domain", DOMAINS)
@pytest.mark.parametrize("kind", ["tcp_socket", "udp_socket", "rawip_socket", "packet_socket"])
@pytest.mark.parametrize("permission", ["name_connect", "node_bind", "name_bind", "create"])
def test_network(policy: Path, domain: str, kind: str, permission: str) -> None:
    allowed = {
        "create": {"fwhelpers_exporter_t"},
        "node_bind": {"node_t"},
        "name_bind": {"unreserved_port_type"},
    }
    listens = domain == "fwhelpers_exporter_t" and kind == "tcp_socket"
    expected = allowed.get(permission, set()) if listens else set()
    assert targets(policy, domain, kind, permission) == expected


@pytest.mark.parametrize("domain", DOMAINS)
def test_addresses_and_routes_are_only_read(policy: Path, domain: str) -> None:
    assert targets(policy, domain, "netlink_route_socket", "nlmsg_write") == set()


@pytest.mark.parametrize("kind", ["file", "dir", "lnk_file", "sock_file", "chr_file", "blk_file"])
@pytest.mark.parametrize("permission", ["create", "unlink", "rename", "relabelto", "mounton"])
def test_only_its_own_files_are_changed(policy: Path, kind: str, permission: str) -> None:
    assert all(map(OWN.match, targets(policy, "fwhelpers_t", kind, permission)))
    assert targets(policy, "fwhelpers_exporter_t", kind, permission) == set()


def test_the_configuration_is_read_and_conf_d_written(policy: Path) -> None:
    written = targets(policy, "fwhelpers_t", "file", "write")
    assert {"fwhelpers_conf_t", "fwhelpers_runtime_t", "fwhelpers_var_lib_t"} <= written
    # init_tmpfs_t: StandardInputText= of systemd, by init_domain() of the policy
    assert written - {"init_tmpfs_t"} <= set(filter(OWN.match, written))
    assert "fwhelpers_etc_t" not in written
    assert "fwhelpers_etc_t" in targets(policy, "fwhelpers_t", "file", "read")


def test_what_the_service_needs(policy: Path) -> None:
    rules = granted(policy, "fwhelpers_t")
    for key, permissions in {
        ("fwhelpers_t", "netlink_netfilter_socket"): {"create", "bind", "read", "write", "setopt"},
        ("fwhelpers_t", "process"): {"fork", "setcap", "setrlimit", "sigkill"},
        ("fwhelpers_tmpfs_t", "file"): {"create", "read", "write", "map"},
        ("kernel_t", "system"): {"module_request"},
        ("bin_t", "file"): {"entrypoint", "execute_no_trans"},
        ("shell_exec_t", "file"): {"entrypoint"},
        ("init_t", "unix_dgram_socket"): {"sendto"},
        ("syslogd_t", "unix_dgram_socket"): {"sendto"},
        ("system_dbusd_t", "dbus"): {"send_msg", "acquire_svc"},
        ("firewalld_t", "dbus"): {"send_msg"},
        ("NetworkManager_t", "dbus"): {"send_msg"},
        ("fwhelpers_exporter_t", "dbus"): {"send_msg"},
        ("sysadm_t", "dbus"): {"send_msg"},
    }.items():
        assert permissions <= rules.get(key, set()), key


def test_modules_are_loaded_by_the_kernel_only(policy: Path) -> None:
    assert targets(policy, "fwhelpers_t", "system", "module_load") == set()
    assert "insmod_exec_t" not in targets(policy, "fwhelpers_t", "file", "execute")
    assert "kmod_exec_t" not in targets(policy, "fwhelpers_t", "file", "execute")


def test_systemd_keeps_the_descriptors(policy: Path) -> None:
    rules = granted(policy, "init_t")
    assert {"read", "write"} <= rules["fwhelpers_t", "netlink_netfilter_socket"]
    assert "use" in rules["fwhelpers_t", "fd"]


@pytest.mark.parametrize("domain", DOMAINS)
def test_only_init_enters_the_domains(policy: Path, domain: str) -> None:
    lines = run("sesearch", "-A", "-t", domain, "-c", "process", "-p", "transition", policy)
    assert set(re.findall(rf"allow (\w+) {domain}:", lines)) == {"init_t", "initrc_t"}
    assert targets(policy, domain, "process", "transition") <= {"fwhelpers_t"} - {domain}


def test_each_context_of_a_unit_is_a_domain_of_the_module() -> None:
    dropins = sorted((SOURCES / "systemd").rglob("*.conf"))
    assert [path.parent.name for path in dropins] == [
        "fwhelpers-exporter.service.d", "fwhelpers-register.service.d", "fwhelpers.service.d",
    ]  # fmt: skip
    text = (SOURCES / "fwhelpers.te").read_text()
    for path in dropins:
        context = re.search(r"\nSELinuxContext=-system_u:system_r:(\w+):s0\n", path.read_text())
        assert context is not None
        domain = context[1]
        assert f"init_daemon_domain({domain}," in text
        assert (ROOT / "packaging/systemd" / path.parent.name.removesuffix(".d")).exists()
