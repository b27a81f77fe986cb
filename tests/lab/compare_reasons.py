"""Reasons for the differences between fwhelpers, conntrackd and the kernel."""

from __future__ import annotations

#: (case, announcement, candidate, field) → reason; * matches anything
REASONS: dict[tuple[str, str, str, str], str] = {
    ("FTP*", "*RT, IPv?", "*", "timeout"): (
        "a server that fetches the file from tape connects late; the expectation ends with the "
        "control connection, conntrackd's and the kernel's after 300 s"
    ),
    ("FTP*", "*RT, IPv?", "*", "klass"): (
        "active data connections are a class of their own, with a lifetime of their own"
    ),
    ("FTP*", "*", "*", "timeout"): (
        "a data connection arrives within seconds; conntrackd and the kernel use 300 s for "
        "everything"
    ),
    ("NFS*", "*", "*", "timeout"): (
        "the client connects at once and asks again for its next mount"
    ),
    ("FTP*", "EPSV*", "conntrackd", "*"): (
        "bug in conntrackd: it compares the reply with the address of the other direction, so"
        " that EPSV never creates an expectation"
    ),
    ("FTP", "EPRT, IPv6", "conntrackd", "*"): ("bug in conntrackd: its parser supports IPv4 only"),
    ("FTP, client*", "*RT, IPv4", "conntrackd", "works"): (
        "bug in conntrackd: its expectation has no NAT, so that the data connection ends at "
        "the gateway"
    ),
    ("NFS*", "*IPv6*", "conntrackd", "*"): (
        "conntrackd supports portmapper version 2 only, and therefore IPv4 only"
    ),
    ("TFTP*", "*", "*", "timeout"): (
        "a server answers at once, and a client that has waited longer repeats its request"
    ),
    ("TFTP, client*", "*", "conntrackd", "*"): (
        "bug in conntrackd: its expectation has no NAT, so that the answer ends at the gateway"
    ),
    ("SANE*", "*", "*", "timeout"): ("saned waits four seconds for the connection"),
    ("SANE, server*", "*", "*", "*"): (
        "bug in conntrackd and the kernel: the expectation has no NAT, so that the client's "
        "connection to the translated address ends at the gateway"
    ),
    ("Oracle*", "*", "*", "timeout"): ("the client connects at once"),
    ("*", "garbage*", "conntrackd", "*"): (
        "bug in conntrackd: it creates an expectation for any datagram to the group"
    ),
    ("*", "*", "*", "source"): (
        "stricter: the request does not leave the link, so that the answer comes from there"
    ),
    ("*", "*", "*", "timeout"): ("the time that the protocol allows for answers"),
    ("Oracle*", "*DATA*", "conntrackd", "*"): (
        "bug in conntrackd: it misses an address that is in a separate packet"
    ),
    ("DHCPv6", "*ADDR-REG*", "conntrackd", "*"): (
        "bug in conntrackd: it drops messages of unknown types"
    ),
}
