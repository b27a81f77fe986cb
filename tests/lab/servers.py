"""Servers: the kernel's NFS server with rpcbind, mountd and statd; vsftpd; pure-ftpd; hfaxd; tftpd-hpa."""

from __future__ import annotations

from collections.abc import Sequence

from lab.process import wait_until
from lab.topology import SERVER, Lab
from lab.unpacked import PURE_FTPD

EXPORT = "/srv/nfs"

_NFS_FILES = f"""
set -e
mkdir -p {EXPORT} /run/rpcbind /run/rpc_pipefs /var/lib/nfs/sm /var/lib/nfs/sm.bak /var/lib/nfs/v4recovery
touch /var/lib/nfs/etab /var/lib/nfs/rmtab /var/lib/nfs/state
chmod 1777 {EXPORT}
echo 'written by the server' > {EXPORT}/hello
mount -t nfsd nfsd /proc/fs/nfsd
"""

# version 3 only: no grace period, no client tracking; fsid: a tmpfs has none
_NFS_START = f"""
set -e
exportfs -o rw,insecure,no_root_squash,no_subtree_check,fsid=1 '*:{EXPORT}'
rpc.nfsd --no-nfs-version 4 --nfs-version 3 2
"""

#: passive ports above the well-known ones, which the guard refuses (vsftpd begins at 1024)
_FTP_CONF = """
listen{six}=YES
listen_address{six}={address}
background=NO
anonymous_enable=YES
no_anon_password=YES
local_enable=NO
write_enable=YES
anon_upload_enable=YES
anon_other_write_enable=YES
anon_mkdir_write_enable=YES
anon_umask=022
anon_root=/srv/ftp
secure_chroot_dir=/run/vsftpd/empty
connect_from_port_20=YES
pasv_min_port=30000
seccomp_sandbox=NO
xferlog_enable=YES
vsftpd_log_file=/run/vsftpd/log
log_ftp_protocol=YES
"""

_FTP_FILES = """
set -e
mkdir -p /srv/ftp/pub /run/vsftpd/empty
chown ftp /srv/ftp/pub
chmod 555 /srv/ftp
echo 'served by ftp' > /srv/ftp/hello
"""

#: HylaFAX's protocol is FTP's at another port, and more (RFC 959 dialect of hfaxd(8))
FAX_PORT = 4559
_FAX_SPOOL = "/srv/hylafax"
_FAX_FILES = f"""
set -e
cp -a /var/spool/hylafax {_FAX_SPOOL}
echo '^.*@.*$' > {_FAX_SPOOL}/etc/hosts.hfaxd
chown uucp {_FAX_SPOOL}/etc/hosts.hfaxd
chmod 600 {_FAX_SPOOL}/etc/hosts.hfaxd
echo 'Running and idle' > {_FAX_SPOOL}/status/ttyS0
"""

_TFTP_FILES = """
set -e
mkdir -p /srv/tftp
chmod 1777 /srv/tftp
echo 'served by tftp' > /srv/tftp/hello
"""


def start_nfs(lab: Lab, *, statd: bool = False) -> None:
    """Start rpcbind, mountd and the kernel's NFS server on s; returns when all are registered."""
    server = lab.namespaces["s"]
    server.run("sh", "-c", _NFS_FILES)
    lab.cleanups.append(lambda: stop_nfs(lab))
    # -h would bind UDP only; -w would read a warm start file
    server.popen("rpcbind", "-f")
    server.wait_listening("tcp", 111)
    server.wait_listening("udp", 111)
    server.run("sh", "-c", _NFS_START)
    server.popen("rpc.mountd", "--foreground", "--no-nfs-version", "4")
    programs = {"portmapper", "nfs", "mountd"}
    if statd:
        server.popen("rpc.statd", "--foreground", "--no-notify")
        programs.add("status")
    wait_until(
        lambda: programs <= registered(lab), f"registration of {', '.join(sorted(programs))}"
    )


def registered(lab: Lab) -> set[str]:
    """Return the programs that are registered with rpcbind for UDP and TCP (nfs: TCP)."""
    listed = lab.run("s", "rpcinfo", "-p", "127.0.0.1", check=False).stdout.split("\n")[1:]
    rows = [line.split() for line in listed if len(line.split()) == 5]
    over = {l4: {row[4] for row in rows if row[2] == l4} for l4 in ("tcp", "udp")}
    return over["tcp"] & (over["udp"] | {"nfs"})


def stop_nfs(lab: Lab) -> None:
    """Stop the kernel's server, whose threads are not processes of the lab."""
    lab.run("s", "sh", "-c", "rpc.nfsd 0; exportfs -ua; umount /proc/fs/nfsd", check=False)


def ports(lab: Lab, program: str, ns: str = "s") -> dict[str, int]:
    """Return a registered program's port for each transport."""
    listed = lab.run(ns, "rpcinfo", "-p", "127.0.0.1").stdout.split("\n")[1:]
    rows = [line.split() for line in listed if len(line.split()) == 5]
    return {row[2]: int(row[3]) for row in rows if row[4] == program}


def start_ftp(lab: Lab, families: Sequence[int] = (4, 6), extra: str = "") -> None:
    """Start vsftpd on s, one for each family, with `extra` in its configuration."""
    server = lab.namespaces["s"]
    server.run("sh", "-c", _FTP_FILES)
    for family in families:
        six = "_ipv6" if family == 6 else ""
        conf = _FTP_CONF.format(six=six, address=SERVER[family])
        conf = conf.replace("listen_address_ipv6", "listen_address6")
        server.path(f"/run/lab/vsftpd{family}.conf").write_text(conf + extra)
        # vsftpd writes its startup errors to standard input, which it takes for the control connection
        conf_file = f"/run/lab/vsftpd{family}.conf"
        server.popen("sh", "-c", 'exec vsftpd "$0" 0>&1', conf_file, name=f"vsftpd{family}")
    for family in families:
        server.wait_listening("tcp", 21, family)


def start_pure_ftpd(lab: Lab) -> None:
    """Start pure-ftpd on s instead of vsftpd, one for IPv4 and one for IPv6, for the same files."""
    server = lab.namespaces["s"]
    server.run("sh", "-c", _FTP_FILES)
    for family, address in SERVER.items():
        listen = ("-S", f"{address},21", f"-{family}")
        anonymous = ("-e", "-H", "-p", "30000:30999")
        server.popen(str(PURE_FTPD), *listen, *anonymous, name=f"pure-ftpd{family}")
        server.wait_listening("tcp", 21, family)


def start_fax(lab: Lab) -> None:
    """Start HylaFAX's server on s, without a scheduler or modem."""
    server = lab.namespaces["s"]
    server.run("sh", "-c", _FAX_FILES)
    server.popen("hfaxd", "-d", "-q", _FAX_SPOOL, "-l", SERVER[4], "-i", str(FAX_PORT))
    server.wait_listening("tcp", FAX_PORT)
    lab.open("tcp", FAX_PORT)


def start_tftp(lab: Lab) -> None:
    """Start tftpd-hpa on s, one for IPv4 and one for IPv6, for files in /srv/tftp."""
    server = lab.namespaces["s"]
    server.run("sh", "-c", _TFTP_FILES)
    for family, address in SERVER.items():
        host = f"[{address}]" if family == 6 else address
        server.popen(
            *("in.tftpd", "--foreground", f"-{family}", "--address", f"{host}:69"),
            *("--create", "--secure", "--user", "nobody", "/srv/tftp"),
            name=f"tftpd{family}",
        )
        server.wait_listening("udp", 69, family)
    lab.open("udp", 69)
