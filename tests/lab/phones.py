"""Phones: baresip, registered with kamailio, which is also the proxy of their calls."""

from __future__ import annotations

import json
import re
import wave
from pathlib import Path

from lab.process import Process
from lab.topology import Lab

PORT = 5060  #: kamailio's

_KAMAILIO = """#!KAMAILIO
children=1
log_stderror=yes
debug=1
auto_aliases=no
disable_tcp=yes
listen=udp:{host}:5060
mpath="/usr/lib/x86_64-linux-gnu/kamailio/modules/"
loadmodule "tm.so"
loadmodule "sl.so"
loadmodule "rr.so"
loadmodule "pv.so"
loadmodule "siputils.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
request_route {{
    if (method == "REGISTER") {{
        save("location");
        exit;
    }}
    if (has_totag()) {{
        loose_route();
        t_relay();
        exit;
    }}
    if (method == "CANCEL") {{
        if (t_check_trans()) t_relay();
        exit;
    }}
    record_route();
    if (!lookup("location")) {{
        sl_send_reply("404", "Not Found");
        exit;
    }}
    t_relay();
}}
"""

_BARESIP = """
sip_listen {host}:5070
module_path /usr/lib/baresip/modules
module g711.so
module aufile.so
module_app account.so
module_app menu.so
module_app ctrl_tcp.so
ctrl_tcp_listen 127.0.0.1:4444
audio_source aufile,/run/lab/{name}/tone.wav
statmode_default off
rtp_ports 6000-7999
"""
_ACCOUNT = "<{uri}>;regint=600;answermode={answer};audio_codecs=pcmu/8000/1;video_codecs=vp8\n"
#: a test picture, small and slow: an emulated machine encodes it
_VIDEO = """
module vp8.so
module fakevideo.so
video_source fakevideo,nil
video_display fakevideo,nil
video_size 176x144
video_fps 5
video_bitrate 50000
"""

# netstrings over TCP (ctrl_tcp); the connection is kept until the phone has read the command
_COMMAND = """
import socket, sys
text = sys.argv[1]
with socket.create_connection(("127.0.0.1", 4444)) as phone:
    phone.sendall(f"{len(text)}:{text},".encode())
    print(phone.recv(4096).decode())
"""


def _bracket(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def write_tone(file: Path) -> None:
    """Write a minute of a square wave with 400 Hz."""
    with wave.open(str(file), "wb") as tone:
        tone.setnchannels(1)
        tone.setsampwidth(2)
        tone.setframerate(8000)
        tone.writeframes((b"\x00\x20" * 10 + b"\x00\xe0" * 10) * 400 * 60)


def start_kamailio(lab: Lab, address: str) -> Process:
    """Start the registrar and proxy on s. It keeps registrations in memory."""
    server = lab.namespaces["s"]
    file = "/run/lab/kamailio.cfg"
    server.path(file).write_text(_KAMAILIO.format(host=_bracket(address)))
    # -m, -M: megabytes of memory; -DD: all processes in the foreground
    memory = ("-m", "16", "-M", "4")
    process = server.popen("kamailio", "-f", file, "-DD", "-E", *memory, "-Y", "/run/lab")
    server.wait_listening("udp", PORT, 6 if ":" in address else 4)
    return process


class Phone:
    """A phone in namespace `ns` at `address`. It sends a tone in each call, and a picture if it has `video`.

    `answer`: "auto", at once; "manual", with `accept`.
    """

    def __init__(
        self,
        lab: Lab,
        name: str,
        ns: str,
        address: str,
        registrar: str,
        *,
        answer: str = "auto",
        video: bool = False,
    ) -> None:
        self.uri = f"sip:{name}@{_bracket(registrar)}"
        self._lab, self._ns = lab, ns
        folder = lab.namespaces[ns].path(f"/run/lab/{name}")
        folder.mkdir()
        config = _BARESIP.format(host=_bracket(address), name=name)
        (folder / "config").write_text(config + _VIDEO * video)
        (folder / "accounts").write_text(_ACCOUNT.format(uri=self.uri, answer=answer))
        (folder / "contacts").touch()
        write_tone(folder / "tone.wav")
        # its output is buffered unless it goes to a terminal
        baresip = ("baresip", "-f", f"/run/lab/{name}")
        self.process = lab.popen(ns, "stdbuf", "-oL", *baresip, name=name)
        self.process.wait_line("200 OK .*binding")
        self._call = 0  #: the line where its last call began

    def call(self, other: Phone) -> None:
        """Call another phone; returns when both have established the call."""
        self.dial(other)
        for phone in self, other:
            phone.wait_call()

    def dial(self, other: Phone) -> None:
        """Call another phone, without waiting."""
        for phone in self, other:
            phone.expect_call()
        self._command("dial", other.uri)

    def expect_call(self) -> None:
        """Look only at lines that follow: those of the next call, or of the end of this one."""
        self._call = len(self.process.lines)

    def wait_call(self) -> None:
        """Wait until the call is established."""
        self._wait("Call established")

    def wait_ringing(self) -> None:
        """Wait until the phone rings."""
        self._wait("Incoming call from")

    def hears(self, kind: str = "audio") -> str:
        """Wait for the first packet of the call's audio or video; return the address that it came from."""
        return self._wait(rf"incoming rtp for '{kind}' .* from \[?(.+?)\]?:\d+$").group(1)

    def hold(self, other: Phone) -> None:
        """Hold the call; returns when the other phone has read that."""
        self._offer("hold", other)

    def resume(self, other: Phone) -> None:
        """Continue a held call; returns when the other phone has read that."""
        self._offer("resume", other)

    def transfer(self, peer: Phone, other: Phone) -> None:
        """Have `peer`, the other end of the call, call another phone; returns when this phone has left the call."""
        for phone in peer, other:
            phone.expect_call()
        self._command("transfer", other.uri)
        # this phone reports the end of a call of a second and more alone
        peer.wait_end()

    def hang_up(self, other: Phone) -> None:
        """End the call; returns when both have."""
        for phone in self, other:
            phone.expect_call()
        self.give_up()
        self._wait("terminate call")
        other.wait_end()

    def give_up(self) -> None:
        """End the call, or cancel it before the answer."""
        self._command("hangup")

    def wait_end(self) -> None:
        """Wait until the other end has ended the call."""
        self._wait("session closed")

    def _offer(self, command: str, other: Phone) -> None:
        before = len(other.process.lines)
        self._command(command)
        other.process.wait_line("got re-INVITE", after=before)
        other.process.wait_line("update 'audio'", after=before)

    def _wait(self, pattern: str) -> re.Match[str]:
        return self.process.wait_line(pattern, after=self._call)

    def _command(self, name: str, *parameters: str) -> None:
        message = {"command": name, "params": " ".join(parameters)}
        self._lab.run(self._ns, "python3", "-c", _COMMAND, json.dumps(message))
