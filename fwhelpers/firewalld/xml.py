"""Generates the files that describe our helpers to firewalld.

    helpers/fw-NAME.xml          the helper: a module's name, from which firewalld derives our name in the kernel
    services/fw-NAME.xml         the service for zones and policies
    services/fw-NAME-client.xml  the same with this host as client; opens no port
    modprobe.d                   aliases for the modules that firewalld and the kernel load

The prefix `fw-` keeps our names apart from those of firewalld. The helper of requests to groups has no ports in its
XML. firewalld would assign it to arriving requests, which open nothing, and could not load its rules unless the helper
is registered. We assign it instead, by firewalld's zones (docs/decisions/0050).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

from fwhelpers.api import Helper

REGISTER = "/usr/bin/fwhelpers register --no-pin"


@dataclass(frozen=True, slots=True)
class Bundle:
    """A service that consists of other services."""

    short: str
    description: str
    includes: tuple[str, ...]


BUNDLES = {
    "fw-nfs3": Bundle(
        "NFSv3 with helper",
        "NFS version 3 with its other services (mountd, statd, lockd …). Only the portmapper and the NFS port are"
        " open. The other ports are opened for the clients that have asked the portmapper for them.",
        ("fw-rpc", "nfs3"),
    ),
    "fw-discovery": Bundle(
        "Find devices and names",
        "Lets this computer find printers, scanners, media servers and other computers on the network. Opens no"
        " port. Answers to its own requests are accepted for some seconds, from hosts on the same link.",
        ("fw-mdns", "fw-llmnr", "fw-netbios-ns", "fw-ssdp", "fw-wsd", "fw-slp", "fw-snmp", "fw-bjnp", "fw-epson"),
    ),
}  # fmt: skip


def files(helpers: Iterable[Helper], bundles: Mapping[str, Bundle] = BUNDLES) -> dict[str, str]:
    """Return the texts by file name: helpers/, services/ and modprobe.conf."""
    ordered = sorted(helpers, key=lambda helper: helper.name)
    texts = {}
    for helper in ordered:
        texts[f"helpers/{name(helper)}.xml"] = helper_xml(helper)
        texts[f"services/{name(helper)}.xml"] = service_xml(helper)
        if not helper.outgoing:
            texts[f"services/{name(helper)}-client.xml"] = service_xml(helper, client=True)
    have = {name(helper) for helper in ordered}
    for title, bundle in bundles.items():
        if {include for include in bundle.includes if include.startswith("fw-")} <= have:
            texts[f"services/{title}.xml"] = _bundle_xml(bundle)
    texts["modprobe.conf"] = modprobe(ordered)
    return texts


def name(helper: Helper) -> str:
    """Return the helper's name in firewalld, which allows no dots in names of services."""
    return "fw-" + helper.name.replace(".", "-")


def helper_xml(helper: Helper) -> str:
    """Return the helper's file; see firewalld.helper(5)."""
    module = "nf_conntrack_" + helper.kernel_name.replace("-", "_")
    lines = [f"<helper module={quoteattr(module)}>", *_texts(helper.name, _subject(helper))]
    if not helper.outgoing:
        lines += _ports(helper)
    return _document([*lines, "</helper>"])


def service_xml(helper: Helper, client: bool = False) -> str:
    """Return the service's file; see firewalld.service(5). A client's service opens no port."""
    short = f"{helper.name} {'client ' if client else ''}with helper"
    lines = ["<service>", *_texts(short, _service_text(helper, client))]
    if not (client or helper.outgoing):
        lines += _ports(helper)
    return _document([*lines, f"  <helper name={quoteattr(name(helper))}/>", "</service>"])


def _service_text(helper: Helper, client: bool) -> str:
    if helper.outgoing:
        tail = "Opens no port. Answers to this host's requests are accepted for some seconds."
    elif client:
        tail = "For this host as client. Opens no port. Connections that the server announces are accepted."
    else:
        tail = (
            "Opens the control port. Connections announced there are accepted in both directions."
        )
    subject = _subject(helper)
    return f"{subject}{'' if subject.endswith('…') else '.'} {tail}"


def _subject(helper: Helper) -> str:
    return helper.doc.rstrip(".") or helper.name


def _bundle_xml(bundle: Bundle) -> str:
    includes = [f"  <include service={quoteattr(include)}/>" for include in bundle.includes]
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
    """Return a file for modprobe.d."""
    return "\n".join(_modprobe(sorted(helpers, key=lambda helper: helper.name))) + "\n"


def _modprobe(helpers: Iterable[Helper]) -> Iterator[str]:
    ordered = list(helpers)
    yield "# firewalld loads the modules nf_conntrack_NAME and nf_nat_NAME of each helper that it uses"
    for helper in (helper for helper in ordered if helper.parser):
        module = helper.kernel_name.replace("-", "_")
        yield f"alias nf_conntrack_{module} nfnetlink_cthelper"
        yield f"alias nf_nat_{module} nfnetlink_cthelper"
    yield ""
    yield "# the kernel requests this module when a ruleset names a helper that is not registered. Without it the"
    yield "# kernel refuses the whole ruleset, and a firewalld that reloads has no rules"
    for helper in (helper for helper in ordered if helper.parser):
        yield f"install nfct-helper-{helper.kernel_name} {REGISTER}"
