"""firewalld's answers, and answers that are none."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fwhelpers.firewalld import decode
from fwhelpers.firewalld.model import FirewalldHelper, ForwardPort, Policy, Service, Zone


def test_answers() -> None:
    given_zone = {
        "services": ["ssh"], "interfaces": ["lan"], "sources": ["10.0.0.0/8"], "target": "default",
        "forward_ports": [["21", "tcp", "", "10.0.2.2"]], "rules_str": ["rule x"], "forward": True,
    }  # fmt: skip
    assert decode.zone("z", given_zone) == Zone(
        "z", ("lan",), ("10.0.0.0/8",), ("ssh",), (ForwardPort("21", "tcp", "", "10.0.2.2"),),
        ("rule x",), target="default",
    )  # fmt: skip
    given_policy = {
        "ingress_zones": ["a"],
        "egress_zones": ["HOST"],
        "services": ["x"],
        "priority": -1,
    }
    assert decode.policy("p", given_policy) == Policy("p", ("a",), ("HOST",), ("x",))
    service = {
        "ports": [("111", "tcp")],
        "helpers": ["h"],
        "includes": ["i"],
        "destination": {"ipv4": "x"},
    }
    assert decode.service("s", service) == Service(
        "s", (("111", "tcp"),), ("h",), ("i",), {"ipv4": "x"}
    )
    settings = ("", "", "", "ipv4", "nf_conntrack_fw_netbios_ns", [("137", "udp")])
    decoded = decode.helper("h", settings)
    assert decoded == FirewalldHelper("h", "nf_conntrack_fw_netbios_ns", (("137", "udp"),), "ipv4")
    assert decoded.kernel_name == "fw-netbios-ns"


_JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)
_KEYS = st.sampled_from([
    "interfaces", "sources", "services", "forward_ports", "rules_str", "ingress_priority", "ports",
    "helpers", "includes", "destination", "ingress_zones", "rich_rules",
])  # fmt: skip


@given(st.dictionaries(_KEYS, _JUNK), _JUNK)
def test_any_answer(answer: dict[str, object], junk: object) -> None:
    decode.zone("z", answer)
    decode.policy("p", answer)
    decode.service("s", answer)
    decode.helper("h", junk)
