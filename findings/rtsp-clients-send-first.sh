#!/bin/bash
# Title: RTSP clients send from their media ports to the server's before the stream, which opens a stateful firewall.
# Version: ffmpeg 7.0.2 of imageio-ffmpeg 0.6.0, GStreamer's rtspsrc 1.22.0-5+deb12u4
# Guess: a client of a unicast stream listens; the first packet of a stream is the server's.
# Seen: before PLAY is answered, ffmpeg sends an empty RTP packet and an RTCP receiver report to server_port,
#       GStreamer packets of 200 random bytes (2026-11-30).
# Here: where clients may send to any UDP port and no port is translated, they receive streams without a helper
#       (docs/protocols/rtsp.md).
. "$(dirname "$(readlink -f "$0")")/lib.sh"
pips imageio-ffmpeg==0.6.0
debs gstreamer1.0-plugins-good=1.22.0-5+deb12u4 gstreamer1.0-plugins-base=1.22.0-3+deb12u7 \
    libgstreamer-plugins-base1.0-0=1.22.0-3+deb12u7 libgstreamer1.0-0=1.22.0-2+deb12u1 \
    gstreamer1.0-tools=1.22.0-2+deb12u1 libglib2.0-0 libdw1 libelf1 libunwind8 liborc-0.4-0
export GST_PLUGIN_SYSTEM_PATH_1_0=$LD_LIBRARY_PATH/gstreamer-1.0 GST_REGISTRY_1_0=$work/registry
export GST_PLUGIN_SCANNER_1_0=$LD_LIBRARY_PATH/gstreamer1.0/gstreamer-1.0/gst-plugin-scanner
ffmpeg=$("$python" -c 'import imageio_ffmpeg; print(imageio_ffmpeg.get_ffmpeg_exe())')
ln -s "$ffmpeg" "$work/root/usr/bin/ffmpeg"
cat >"$work/server.py" <<'END'
import contextlib
import socket
import subprocess

HOST = "127.0.0.1"
SDP = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\nm=audio 0 RTP/AVP 0\r\na=control:track1\r\n"
CLIENTS = {
    "ffmpeg": "ffmpeg -nostdin -rtsp_transport udp -i rtsp://127.0.0.1:8554/a -t 1 -f null -",
    "gst": "gst-launch-1.0 rtspsrc location=rtsp://127.0.0.1:8554/a protocols=udp ! fakesink",
}


def describe(data):
    if data[0] >> 6 != 2:
        return f"{len(data)} bytes"
    return f"RTCP {data[1]}" if 192 <= data[1] <= 223 else f"RTP {len(data)} bytes"


def received(sockets):
    for name, sock in sockets.items():
        with contextlib.suppress(TimeoutError):
            while True:
                yield name, sock.recv(2000)


def response(method, fields):
    lines, body = [f"CSeq: {fields['cseq']}"], ""
    if method == "OPTIONS":
        lines.append("Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN")
    elif method == "DESCRIBE":
        body = SDP
        lines += ["Content-Base: rtsp://127.0.0.1:8554/a/", "Content-Type: application/sdp", f"Content-Length: {len(body)}"]
    elif method == "SETUP":
        ports = next(p for p in fields["transport"].split(";") if p.startswith("client_port"))
        lines += ["Session: 1", f"Transport: RTP/AVP;unicast;{ports};server_port=6970-6971"]
    return "\r\n".join(["RTSP/1.0 200 OK", *lines, "", body]).encode()


def run(name, command):
    sockets = {}
    for kind, port in (("rtp", 6970), ("rtcp", 6971)):
        sockets[kind] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sockets[kind].bind((HOST, port))
        sockets[kind].settimeout(2)
    server = socket.create_server((HOST, 8554))
    client = subprocess.Popen(command.split(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    control, _ = server.accept()
    stream = control.makefile("rwb", buffering=0)
    while True:
        head = []
        while line := stream.readline().decode().strip():
            head.append(line)
        method = head[0].split()[0]
        if method == "PLAY":  # is not answered: all that comes precedes the stream
            break
        fields = dict(line.lower().split(": ", 1) for line in head[1:])
        stream.write(response(method, fields))
    kinds = sorted({f"{kind}: {describe(data) if name == 'ffmpeg' else len(data)}" for kind, data in received(sockets)})
    print(f"{name}: {', '.join(kinds)}")
    client.kill()
    client.wait()
    for sock in (control, server, *sockets.values()):
        sock.close()


subprocess.run("ip link set lo up", shell=True, check=True)
for name, command in CLIENTS.items():
    run(name, command)
END
expect "before the stream" "ffmpeg: rtcp: RTCP 201, rtp: RTP 12 bytes
gst: rtp: 200" "$(in_namespace python3 "$work/server.py" "$work")"
finish
