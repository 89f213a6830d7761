"""A camera that sends over UDP only: refuses TCP with 461, as some door stations do."""

from __future__ import annotations

import re
import socket
from pathlib import Path

from tests.integration.streams.cameras import mono
from xueliang_streams.rtp_packets import CLOCK_HZ, RtpSender
from xueliang_streams.rtsp.messages import ServerRequest, take_message
from xueliang_streams.rtsp_requests import describe
from xueliang_streams.segments import load_segment


class UdpCamera:
    """Plays a clip over and over to each connection in turn (`scripted_peer`)."""

    def __init__(self, clip: Path) -> None:
        self._segment = load_segment("gate", clip)
        self.transports: list[str] = []
        self.is_silent = False

    def __call__(self, peer: socket.socket) -> None:
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as media,
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control,
        ):
            media.bind(("127.0.0.1", 0))
            control.bind(("127.0.0.1", 0))
            peer.settimeout(5)
            client_port = self._talk(peer, media.getsockname()[1], control.getsockname()[1])
            peer.settimeout(0.001)
            self._play(peer, media, client_port)

    def _talk(self, peer: socket.socket, rtp_port: int, rtcp_port: int) -> int:
        """Until PLAY is answered; the client's port."""
        unread, client_port = b"", 0
        while data := peer.recv(65536):
            unread += data
            while unread and (taken := take_message(unread)) is not None:
                request, consumed = taken
                unread = unread[consumed:]
                assert isinstance(request, ServerRequest)
                head, body = "", ""
                if request.method == "DESCRIBE":
                    reply = describe(request.url, self._segment)
                    head, body = "".join(f"{name}: {value}\r\n" for name, value in reply.headers.items()), reply.body
                if request.method == "SETUP":
                    self.transports.append(request.header("transport"))
                    ports = re.search(r"client_port=(\d+)", request.header("transport"))
                    if ports is None:
                        peer.sendall(f"RTSP/1.0 461 Unsupported transport\r\nCSeq: {request.cseq}\r\n\r\n".encode())
                        continue
                    client_port = int(ports[1])
                    client = f"client_port={client_port}-{client_port + 1};server_port={rtp_port}-{rtcp_port}"
                    head = f"Transport: RTP/AVP;unicast;{client}\r\nSession: 1\r\n"
                length = f"Content-Length: {len(body)}\r\n"
                peer.sendall(f"RTSP/1.0 200 OK\r\nCSeq: {request.cseq}\r\n{head}{length}\r\n{body}".encode())
                if request.method == "PLAY":
                    return client_port
        raise ConnectionError("the client left")

    def _play(self, peer: socket.socket, media: socket.socket, client_port: int) -> None:
        sender = RtpSender(self._segment.parameters.kinds, ssrc=9, first_sequence=1)
        began_s, offset_s = mono(), 0.0
        while True:
            for picture in self._segment.pictures:
                while mono() - began_s < offset_s + picture.send_offset_s:
                    try:
                        if not peer.recv(65536):
                            return
                    except TimeoutError:
                        pass
                rtp_time = round((offset_s + picture.show_offset_s) * CLOCK_HZ)
                for packet in sender.packetise(picture.units, rtp_time):
                    if self.is_silent:
                        continue
                    media.sendto(packet, ("127.0.0.1", client_port))
            offset_s += self._segment.length_s
