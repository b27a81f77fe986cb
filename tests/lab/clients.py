"""Clients: mount.nfs, curl, lftp, HylaFAX's faxstat, and three TFTP clients."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from subprocess import CompletedProcess

from lab.process import run
from lab.servers import EXPORT
from lab.topology import Lab

MOUNTPOINT = "/run/mnt"

#: curl's options for the four ways to negotiate a data connection
WAYS = {
    "PASV": ("--disable-epsv",),
    "EPSV": (),
    "PORT": ("--disable-eprt", "--ftp-port", "-"),
    "EPRT": ("--ftp-port", "-"),
}
#: IPv6 has neither PASV nor PORT
FTP_CASES = [
    ("PASV", 4), ("EPSV", 4), ("PORT", 4), ("EPRT", 4), ("EPSV", 6), ("EPRT", 6),
]  # fmt: skip


def _bracket(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def mount_command(lab: Lab, mountproto: str, family: int = 4, *, lock: bool = False) -> list[str]:
    """Return the command that mounts the server's export; with `lock` the server knows of locks."""
    six = "6" if family == 6 else ""
    protocols = f"nfsvers=3,proto=tcp{six},mountproto={mountproto}{six}"
    options = f"{protocols},{'lock' if lock else 'nolock'},retry=0,soft,timeo=100"
    return [
        "mount",
        "-t",
        "nfs",
        "-o",
        options,
        f"{_bracket(lab.target(family))}:{EXPORT}",
        MOUNTPOINT,
    ]


def mount(
    lab: Lab,
    mountproto: str,
    family: int = 4,
    *,
    client: str = "c",
    timeout: float = 60.0,
    lock: bool = False,
) -> CompletedProcess[str]:
    """Mount the server's export in the client; the caller checks the status."""
    lab.cleanups.append(lambda: umount(lab, client))
    command = mount_command(lab, mountproto, family, lock=lock)
    return lab.run(client, *command, check=False, timeout=timeout)


def umount(lab: Lab, client: str = "c") -> None:
    lab.run(client, "umount", "-f", MOUNTPOINT, check=False)


def read(lab: Lab, name: str = "hello", client: str = "c") -> str:
    return lab.run(client, "cat", f"{MOUNTPOINT}/{name}").stdout


def write(lab: Lab, name: str, text: str, client: str = "c") -> None:
    lab.run(client, "sh", "-c", f"cat > {MOUNTPOINT}/{name}", input=text)


def served(lab: Lab, path: str) -> str:
    """Read a file on the server."""
    return lab.run("s", "cat", path).stdout


def curl_command(
    lab: Lab, way: str, family: int, path: str, *more: str, timeout: float = 40
) -> list[str]:
    """Return the curl command for one way of negotiating the data connection."""
    url = f"ftp://{_bracket(lab.target(family))}/{path}"
    return ["curl", "-sS", "-v", "--globoff", "-m", str(timeout), *WAYS[way], *more, url]


def download(
    lab: Lab, way: str, family: int, path: str = "hello", *, client: str = "c", timeout: float = 40
) -> CompletedProcess[str]:
    """Download a file; the caller checks the result. stderr has the control connection's dialogue."""
    return lab.run(
        client,
        *curl_command(lab, way, family, path, timeout=timeout),
        check=False,
        timeout=timeout + 20,
    )


def upload(
    lab: Lab,
    way: str,
    family: int,
    path: str,
    text: str,
    *,
    client: str = "c",
    timeout: float = 40,
) -> CompletedProcess[str]:
    """Upload `text` as a file; the caller checks the result."""
    command = curl_command(lab, way, family, path, "-T", "-", timeout=timeout)
    return lab.run(client, *command, check=False, input=text, timeout=timeout + 20)


def lftp(
    lab: Lab, mode: str, commands: str, family: int = 4, *, timeout: float = 60
) -> CompletedProcess[str]:
    """Run lftp's commands with a passive or active data connection, and commands sent without waiting for replies."""
    passive = "on" if mode == "passive" else "off"
    settings = (
        "set net:max-retries 1; set net:timeout 30; set ftp:sync-mode off;"
        f" set ftp:passive-mode {passive}; debug -o /dev/stderr 9;"
    )
    script = f"{settings} open ftp://{_bracket(lab.target(family))}; {commands}"
    return lab.run("c", "lftp", "-c", script, check=False, timeout=timeout)


def faxstat(lab: Lab, mode: str, *, timeout: float = 60) -> CompletedProcess[str]:
    """List the fax server's modems and jobs; stderr and stdout have the dialogue."""
    home = lab.namespaces["c"].path("/run/home")
    home.mkdir(exist_ok=True)
    (home / ".hylarc").write_text(f"PassiveMode: {str(mode == 'passive').lower()}\n")
    command = ("env", "HOME=/run/home", "faxstat", "-v", "-s", "-h", lab.target())
    return lab.run("c", *command, check=False, timeout=timeout)


def tftp_get(
    lab: Lab, program: str, family: int = 4, *, timeout: float = 40
) -> CompletedProcess[str]:
    """Download "hello" with tftp-hpa, atftp or curl to standard output; the caller checks the result."""
    host = lab.target(family)
    fetch = {
        "tftp-hpa": f"tftp -{family} -m octet {host} -c get hello /run/lab/download && cat /run/lab/download",
        "curl": f"curl -sS --globoff tftp://{_bracket(host)}/hello",
        # the options of RFC 2348 and RFC 2349
        "atftp": "atftp --option 'blksize 8192' --option 'tsize 0' --option 'timeout 5'"
        f" --get --remote-file hello --local-file /run/lab/download {host} >/dev/null 2>&1 && cat /run/lab/download",
    }
    command = ["timeout", str(timeout), "sh", "-c", fetch[program]]
    return lab.run("c", *command, check=False, timeout=timeout + 20)


def tftp_put(lab: Lab, name: str, text: str, family: int = 4, *, timeout: float = 40) -> None:
    """Upload a file with tftp-hpa."""
    lab.namespaces["c"].path("/run/lab/upload").write_text(text)
    lab.run(
        *("c", "timeout", str(timeout), "tftp", f"-{family}", "-m", "octet", lab.target(family)),
        *("-c", "put", "/run/lab/upload", name),
        timeout=timeout + 20,
    )


def together(*commands: list[str], timeout: float) -> list[CompletedProcess[str]]:
    """Run commands in parallel, so that commands that must time out do not add up."""
    with ThreadPoolExecutor(len(commands)) as pool:
        return list(pool.map(lambda c: run(c, check=False, timeout=timeout), commands))
