"""`backend = "kernel"`: accepted where the kernel has a helper, and what that helper cannot do is an error."""

from __future__ import annotations

import pytest

from fwhelpers import config
from fwhelpers.api import Helper, KernelHelper, Parser, Setting
from fwhelpers.plugin import manager as plugins

FTP = KernelHelper("ftp", "tcp", "nf_conntrack_ftp", "nf_nat_ftp")
SETTINGS = [Setting("loose", False, "be lax"), Setting("pickup", False, "parse from the middle")]
HELPERS = {
    "ftp": Helper("ftp", "tcp", [21], Parser, settings=SETTINGS, kernel=[FTP]),
    "irc": Helper(
        "irc", "tcp", [6667], Parser, kernel=[KernelHelper("irc", "tcp", "m", families=(4,))]
    ),
    "rpc": Helper("rpc", ("udp", "tcp"), [111], Parser),
    "pptp": Helper(
        "pptp", "tcp", [1723], None, families=(4,),
        kernel=[KernelHelper("pptp", "tcp", "m", families=(4,))],
    ),
    "shout": Helper(
        "shout", "udp", [137], Parser, families=(4,), outgoing=True, broadcast=True,
        kernel=[KernelHelper("netbios-ns", "udp", "m", families=(4,))],
    ),
}  # fmt: skip


def resolve(text: str) -> config.Config:
    return config.resolve(config.parse([("f", text)]), HELPERS)


def test_our_helpers_act_by_default() -> None:
    assert {h.backend for h in resolve("[helpers.ftp]\n[helpers.rpc]").helpers.values()} == {"user"}


def test_the_kernels_helper_is_not_inspected() -> None:
    text = '[helpers.ftp]\nbackend = "kernel"\nports = [21, 2121]\nsources = ["10.0.0.0/8"]\n[helpers.rpc]'
    loaded = resolve(text)
    assert list(loaded.helpers) == ["ftp", "rpc"]
    assert list(loaded.inspected) == ["rpc"]
    assert loaded.helpers["ftp"].ports == (21, 2121)


def test_families_are_those_of_the_kernels_helper() -> None:
    assert resolve("[helpers.irc]").helpers["irc"].families == (4, 6)
    assert resolve('[helpers.irc]\nbackend = "kernel"').helpers["irc"].families == (4,)
    assert resolve('[helpers.ftp]\nbackend = "kernel"').helpers["ftp"].families == (4, 6)


def test_only_the_kernel_has_some_helpers() -> None:
    assert resolve("[helpers.pptp]").helpers["pptp"].backend == "kernel"
    assert config.default(HELPERS["pptp"]).backend == "kernel"


def test_rules_honour_pickup() -> None:
    loaded = resolve('[helpers.ftp]\nbackend = "kernel"\npickup = true')
    assert loaded.helpers["ftp"].settings["pickup"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('[helpers.rpc]\nbackend = "kernel"', "helpers.rpc.backend: the kernel has no helper for rpc"),
        ('[helpers.pptp]\nbackend = "user"', "helpers.pptp.backend: only the kernel has this helper"),
        ('[helpers.ftp]\nbackend = "kernel"\nloose = true', "helpers.ftp.loose: the kernel's helper does not know it"),
        ('[helpers.ftp]\nbackend = "kernel"\nfail = "closed"',
         "helpers.ftp.fail: the kernel's helper does not know it"),
        ('[helpers.ftp]\nbackend = "kernel"\n[helpers.ftp.guard]\nrate = 5',
         'helpers.ftp.guard: the kernel\'s helper does not know it (remove it, or set backend = "user")'),
        ("[helpers.pptp.guard]\nrate = 5", "helpers.pptp.guard: the kernel's helper does not know it (remove it)"),
        ('[helpers.irc]\nbackend = "kernel"\nfamilies = [6]',
         "helpers.irc.families: the kernel's irc does not support IPv6"),
        ('[helpers.shout]\nbackend = "kernel"\ninterfaces = ["lan"]',
         "helpers.shout.interfaces: the kernel's helper acts for requests of this host alone"),
        ('[helpers.ftp]\nbackend = "kernal"', 'helpers.ftp.backend: invalid value "kernal" (did you mean kernel?)'),
    ],
)  # fmt: skip
def test_what_nobody_would_apply_is_an_error(text: str, problem: str) -> None:
    with pytest.raises(config.ConfigError) as caught:
        resolve(text)
    assert any(
        line.split(": ", 1)[1].startswith(problem) for line in str(caught.value).splitlines()
    )


def test_these_protocols_have_a_helper_in_the_kernel() -> None:
    installed = plugins.load().helpers
    names = {name: [k.name for k in h.kernel] for name, h in installed.items() if h.kernel}
    assert names.pop("h323") == ["RAS", "Q.931"]
    assert names.pop("sip") == ["sip", "sip"]
    assert names == {name: [name] for name in names}
    assert {"amanda", "ftp", "irc", "netbios-ns", "sane", "snmp", "tftp"} <= set(names)
