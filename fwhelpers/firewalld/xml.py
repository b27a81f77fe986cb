"""The files by which firewalld knows our helpers, made of the helpers themselves.

    helpers/fw-NAME.xml          the helper: a module's name, which firewalld turns into ours for the kernel
    services/fw-NAME.xml         what a person adds to a zone or policy
    services/fw-NAME-client.xml  the same for this host as client: opens nothing
    modprobe.d                   what firewalld and the kernel look for as modules

All begin with `fw-`: no name of firewalld's own, today's or a later one's, is shadowed. A helper of requests to groups
has no ports in its XML: firewalld would assign it to what arrives, which opens nothing, and its rules could not be
loaded without the helper being registered. So we assign it, by firewalld's zones (docs/decisions/0050).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

from fwhelpers.api import Helper

REGISTER = "/usr/bin/fwhelpers register --no-pin"


@dataclass(frozen=True, slots=True)
class Bundle:
    """A service that only includes others."""

    short: str
    description: str
    includes: tuple[str, ...]


BUNDLES = {
    "fw-nfs3": Bundle(
        "NFSv3 with helper",
        "NFS version 3 with all that belongs to it (mountd, statd, lockd …): only the portmapper and the NFS port"
        " are open, the others are opened for who has asked the portmapper for them.",
        ("fw-rpc", "nfs3"),
    ),
    "fw-discovery": Bundle(
        "Find devices and names",
        "This computer finds printers, scanners, media servers and other computers in the network. No port is open:"
        " only answers to what it asked itself come in, from hosts of the same link, for some seconds.",
        ("fw-mdns", "fw-llmnr", "fw-netbios-ns", "fw-ssdp", "fw-wsd", "fw-slp", "fw-snmp", "fw-bjnp", "fw-epson"),
    ),
}  # fmt: skip


def files(helpers: Iterable[Helper], bundles: Mapping[str, Bundle] = BUNDLES) -> dict[str, str]:
    """Texts by file name: helpers/, services/ and modprobe.conf."""
    known = sorted(helpers, key=lambda helper: helper.name)
    found = {}
    for helper in known:
        found[f"helpers/{name(helper)}.xml"] = helper_xml(helper)
        found[f"services/{name(helper)}.xml"] = service_xml(helper)
        if not helper.outgoing:
            found[f"services/{name(helper)}-client.xml"] = service_xml(helper, client=True)
    have = {name(helper) for helper in known}
    for title, bundle in bundles.items():
        if {one for one in bundle.includes if one.startswith("fw-")} <= have:
            found[f"services/{title}.xml"] = _bundle_xml(bundle)
    found["modprobe.conf"] = modprobe(known)
    return found


def name(helper: Helper) -> str:
    """The helper's name at firewalld, which allows no dots in a service's."""
    return "fw-" + helper.name.replace(".", "-")


def helper_xml(helper: Helper) -> str:
    """firewalld.helper(5)."""
    module = "nf_conntrack_" + helper.kernel_name.replace("-", "_")
    lines = [f"<helper module={quoteattr(module)}>", *_texts(helper.name, _what(helper))]
    if not helper.outgoing:
        lines += _ports(helper)
    return _document([*lines, "</helper>"])


def service_xml(helper: Helper, client: bool = False) -> str:
    """firewalld.service(5). A client's service opens nothing."""
    short = f"{helper.name} {'client ' if client else ''}with helper"
    lines = ["<service>", *_texts(short, _service_text(helper, client))]
    if not (client or helper.outgoing):
        lines += _ports(helper)
    return _document([*lines, f"  <helper name={quoteattr(name(helper))}/>", "</service>"])


def _service_text(helper: Helper, client: bool) -> str:
    if helper.outgoing:
        tail = "Opens no port: answers to what this host asked come in, for some seconds."
    elif client:
        tail = "For this host as client. Opens no port: what the server announces comes in."
    else:
        tail = "Opens the control port; what is agreed there is let through for both sides."
    what = _what(helper)
    return f"{what}{'' if what.endswith('…') else '.'} {tail}"


def _what(helper: Helper) -> str:
    return helper.doc.rstrip(".") or helper.name


def _bundle_xml(bundle: Bundle) -> str:
    includes = [f"  <include service={quoteattr(one)}/>" for one in bundle.includes]
    return _document(
        ["<service>", *_texts(bundle.short, bundle.description), *includes, "</service>"]
    )


def _texts(short: str, description: str) -> Iterator[str]:
    yield f"  <short>{escape(short)}</short>"
    yield f"  <description>{escape(description)}</description>"


def _ports(helper: Helper) -> Iterator[str]:
    for l4 in sorted(helper.l4s):
        for port in helper.ports:
            yield f'  <port port="{port}" protocol="{l4}"/>'


def _document(lines: Iterable[str]) -> str:
    return '<?xml version="1.0" encoding="utf-8"?>\n' + "\n".join(lines) + "\n"


def modprobe(helpers: Iterable[Helper]) -> str:
    """A file for modprobe.d."""
    return "\n".join(_modprobe(sorted(helpers, key=lambda helper: helper.name))) + "\n"


def _modprobe(helpers: Iterable[Helper]) -> Iterator[str]:
    known = list(helpers)
    yield "# firewalld loads nf_conntrack_NAME and nf_nat_NAME of each helper that it uses: for ours, this module"
    for helper in known:
        module = helper.kernel_name.replace("-", "_")
        yield f"alias nf_conntrack_{module} nfnetlink_cthelper"
        yield f"alias nf_nat_{module} nfnetlink_cthelper"
    yield ""
    yield "# for this the kernel asks when a ruleset names a helper that is not registered; without it the ruleset is"
    yield "# refused as a whole (and a firewalld that reloads is left without one)"
    for helper in known:
        yield f"install nfct-helper-{helper.kernel_name} {REGISTER}"
