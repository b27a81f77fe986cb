"""An instrument and a controller (VXI-11) of python-vxi11's parts, the controller with its client.

Runs in a namespace as `python vxi11_peer.py instrument ADDRESS` or `python vxi11_peer.py control ADDRESS`. As real
instruments do, this one has a portmapper of its own, and connects for interrupts before it answers create_intr_chan.
"""

from __future__ import annotations

import socket
import sys
import threading

from vxi11 import rpc, vxi11

PORTMAPPER, CORE, ASYNC, INTERRUPTS = 100000, 0x0607AF, 0x0607B0, 0x0607B1
TIMEOUT = 5.0  #: seconds for a connection that a firewall may drop
HANDLE = b"voltmeter"
NOT_ESTABLISHED = 6


class Portmapper(rpc.TCPServer):
    core = 0

    def addpackers(self) -> None:
        self.packer = rpc.PortMapperPacker()
        self.unpacker = rpc.PortMapperUnpacker("")

    def handle_3(self) -> None:
        program, _, protocol, _ = self.unpacker.unpack_mapping()
        self.turn_around()
        self.packer.pack_uint(self.core if (program, protocol) == (CORE, 6) else 0)


class Server(rpc.TCPServer):
    def addpackers(self) -> None:
        self.packer, self.unpacker = vxi11.Packer(), vxi11.Unpacker("")

    def start(self) -> None:
        threading.Thread(target=self.loop, daemon=True).start()


class Abort(Server):
    def handle_1(self) -> None:
        self.unpacker.unpack_device_link()
        self.turn_around()
        print("abort", flush=True)
        self.packer.pack_device_error(0)


class InterruptClient(rpc.RawTCPClient):
    def connect(self) -> None:
        self.packer, self.unpacker = vxi11.Packer(), vxi11.Unpacker("")
        self.sock = socket.create_connection((self.host, self.port), TIMEOUT)

    def interrupt(self, handle: bytes) -> None:
        """Send a request for service, which has no answer."""
        self.start_call(30)
        self.packer.pack_opaque(handle)
        rpc.sendrecord(self.sock, self.packer.get_buf())


class Core(Server):
    abort_port = 0
    interrupts: InterruptClient
    handle_for_interrupts = b""

    def handle_10(self) -> None:
        self.unpacker.unpack_create_link_parms()
        self.turn_around()
        self.packer.pack_create_link_resp((0, 1, self.abort_port, 16384))

    def handle_11(self) -> None:
        *_, data = self.unpacker.unpack_device_write_parms()
        self.turn_around()
        self.interrupts.interrupt(self.handle_for_interrupts)
        self.packer.pack_device_write_resp((0, len(data)))

    def handle_20(self) -> None:
        _, _, self.handle_for_interrupts = self.unpacker.unpack_device_enable_srq_parms()
        self.turn_around()
        self.packer.pack_device_error(0)

    def handle_23(self) -> None:
        self.unpacker.unpack_device_link()
        self.turn_around()
        self.packer.pack_device_error(0)

    def handle_25(self) -> None:
        address, port, program, version, _ = self.unpacker.unpack_device_remote_func_parms()
        self.turn_around()
        host = socket.inet_ntoa(address.to_bytes(4, "big"))
        try:
            self.interrupts = InterruptClient(host, program, version, port)
        except OSError as error:
            print(f"no channel for interrupts: {error}", flush=True)
            self.packer.pack_device_error(NOT_ESTABLISHED)
        else:
            self.packer.pack_device_error(0)


class Interrupts(Server):
    arrived = threading.Event()

    def handle_30(self) -> None:
        print(f"interrupted by {self.unpacker.unpack_opaque().decode()}", flush=True)
        self.turn_around()
        self.arrived.set()


def instrument(address: str) -> None:
    abort = Abort(address, ASYNC, 1, 0)
    core = Core(address, CORE, 1, 0)
    core.abort_port = abort.port
    portmapper = Portmapper(address, PORTMAPPER, 2, 111)
    portmapper.core = core.port
    abort.start()
    core.start()
    portmapper.sock.listen()
    print("listening", flush=True)
    portmapper.loop()


def control(address: str) -> None:
    device = vxi11.Instrument(address)
    device.open()
    print("linked", flush=True)
    socket.setdefaulttimeout(TIMEOUT)
    try:
        device.abort()
        print("aborted", flush=True)
    except OSError as error:
        print(f"no abort channel: {error}", flush=True)
    socket.setdefaulttimeout(None)
    client, link = device.client, device.link
    listener = Interrupts(client.sock.getsockname()[0], INTERRUPTS, 1, 0)
    listener.start()
    host = int.from_bytes(socket.inet_aton(listener.host), "big")
    print(
        f"interrupts: {client.create_intr_chan(host, listener.port, INTERRUPTS, 1, 0)}", flush=True
    )
    client.device_enable_srq(link, True, HANDLE)
    device.write("*TRG")
    assert listener.arrived.wait(60)
    device.close()
    print("closed", flush=True)


if __name__ == "__main__":
    {"instrument": instrument, "control": control}[sys.argv[1]](sys.argv[2])
