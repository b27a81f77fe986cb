"""Why ours differs from the reference and from the kernel, where it does."""

from __future__ import annotations

#: (case, announcement, candidate, field) → why ours is not the same; * is any. `works` and `holes` are fields too
REASONS: dict[tuple[str, str, str, str], str] = {
    (
        "FTP*",
        "*",
        "*",
        "timeout",
    ): "a data connection comes within seconds; 300 s is the one value for everything",
    ("NFS*", "*", "*", "timeout"): "the client connects at once, and asks again for its next mount",
    ("FTP*", "EPSV*", "conntrackd", "*"): (
        "a bug of the reference: it compares the server's reply with the address of the other direction, "
        "so that an EPSV never opens anything"
    ),
    ("FTP", "EPRT, IPv6", "conntrackd", "*"): "a bug of the reference: its parser knows IPv4 only",
    ("FTP, client*", "*RT, IPv4", "conntrackd", "works"): (
        "a bug of the reference: its expectation carries no translation, so the data connection ends at the gateway"
    ),
    (
        "NFS*",
        "*IPv6*",
        "conntrackd",
        "*",
    ): "the reference knows version 2 of the portmapper, thus IPv4, only",
    ("TFTP*", "*", "*", "timeout"): (
        "a server answers at once, and a client that has waited longer asks again"
    ),
    ("TFTP, client*", "*", "conntrackd", "*"): (
        "a bug of the reference: its expectation carries no translation, so the answer ends at the gateway"
    ),
    ("SANE*", "*", "*", "timeout"): "saned itself waits for the connection for four seconds",
    ("SANE, server*", "*", "*", "*"): (
        "a bug of the reference and of the kernel: the expectation carries no translation, so that the client's "
        "connection to the address that it knows ends at the gateway"
    ),
    ("Oracle*", "*", "*", "timeout"): "the client follows at once",
    ("*", "garbage*", "conntrackd", "*"): (
        "a bug of the reference: it opens for whatever is sent to the group, without a look at it"
    ),
    ("*", "*", "*", "source"): (
        "deliberately tighter: the request goes no further than the link, so the answer comes from there"
    ),
    ("*", "*", "*", "timeout"): "as long as the protocol lets answers take, no longer",
    ("Oracle*", "*DATA*", "conntrackd", "*"): (
        "a bug of the reference: it misses the address when it comes in a packet of its own"
    ),
    ("DHCPv6", "*ADDR-REG*", "conntrackd", "*"): (
        "a bug of the reference: it drops every message with a type that it does not know"
    ),
}
