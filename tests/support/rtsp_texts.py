"""What cameras of several makers answer, written by ourselves after their manner: no capture of anybody's device."""

# ruff: noqa: E501 - lines as cameras write them

from __future__ import annotations

from dataclasses import dataclass, field

URL = "rtsp://cam.local:554"


@dataclass(frozen=True)
class Maker:
    """One kind of camera: its answers in the order OPTIONS, DESCRIBE, SETUP, PLAY, without CSeq; and what we expect.

    `line_end` is what its lines end with; `sdp` is the description, its lines end with CR LF.
    """

    path: str
    public: str
    describe: str
    sdp: str
    setup: str
    play: str
    codec: str
    setup_url: str
    session_url: str
    payload_type: int
    sets: int
    channel: int = 0
    keep_alive: str = "GET_PARAMETER"
    keep_alive_every_s: float = 30.0
    session: str = ""
    line_end: str = "\r\n"
    extra: dict[str, str] = field(default_factory=dict)

    def answer(self, method: str, cseq: int) -> bytes:
        heads = {
            "OPTIONS": f"RTSP/1.0 200 OK\nCSeq: {cseq}\n{self.public}",
            "DESCRIBE": f"RTSP/1.0 200 OK\nCSeq: {cseq}\n{self.describe}",
            "SETUP": f"RTSP/1.0 200 OK\nCSeq: {cseq}\n{self.setup}",
            "PLAY": f"RTSP/1.0 200 OK\nCSeq: {cseq}\n{self.play}",
        }
        body = self.sdp.replace("\n", "\r\n").encode() if method == "DESCRIBE" else b""
        head = heads[method].strip() + (f"\nContent-Length: {len(body)}" if body else "")
        return (head + "\n\n").replace("\n", self.line_end).encode() + body


HIKVISION = Maker(
    path="/Streaming/Channels/101",
    public="Public: OPTIONS, DESCRIBE, PLAY, PAUSE, SETUP, TEARDOWN, SET_PARAMETER, GET_PARAMETER\n"
    "Date:  Mon, Nov 23 2026 09:11:25 GMT",
    describe="Content-Type: application/sdp\nContent-Base: rtsp://192.168.1.64:554/Streaming/Channels/101/",
    sdp="""v=0
o=- 1795425085123456 1795425085123456 IN IP4 192.168.1.64
s=Media Presentation
e=NONE
b=AS:5050
t=0 0
a=control:rtsp://192.168.1.64:554/Streaming/Channels/101/
m=video 0 RTP/AVP 96
c=IN IP4 0.0.0.0
b=AS:5000
a=recvonly
a=x-dimensions:1920,1080
a=control:rtsp://192.168.1.64:554/Streaming/Channels/101/trackID=1
a=rtpmap:96 H264/90000
a=fmtp:96 profile-level-id=420029; packetization-mode=1; sprop-parameter-sets=Z01AKY2NQDwBE/LCAAAOEAACvyAI,aO44gA==
m=audio 0 RTP/AVP 8
c=IN IP4 0.0.0.0
a=recvonly
a=control:rtsp://192.168.1.64:554/Streaming/Channels/101/trackID=2
a=rtpmap:8 PCMA/8000
a=Media_header:MEDIAINFO=494D4B48010200000400010010710110401F000000FA000000000000000000000000000000000000;
a=appversion:1.0
""",
    setup="Session:       1293287436;timeout=60\n"
    'Transport: RTP/AVP/TCP;unicast;interleaved=0-1;ssrc=4b4e6ab1;mode="play"\nDate:  Mon, Nov 23 2026 09:11:25 GMT',
    play="Session:       1293287436\n"
    "RTP-Info: url=rtsp://192.168.1.64:554/Streaming/Channels/101/trackID=1;seq=3021;rtptime=2867613131",
    codec="h264",
    setup_url="rtsp://192.168.1.64:554/Streaming/Channels/101/trackID=1",
    session_url="rtsp://192.168.1.64:554/Streaming/Channels/101/",
    payload_type=96,
    sets=2,
    session="1293287436",
)

DAHUA = Maker(
    path="/cam/realmonitor?channel=1&subtype=0",
    public="Server: Rtsp Server/3.0\nPublic: OPTIONS, DESCRIBE, ANNOUNCE, SETUP, PLAY, RECORD, PAUSE, TEARDOWN",
    describe="Cache-Control: must-revalidate\nContent-Base: rtsp://cam.local:554/cam/realmonitor?channel=1&subtype=0/\n"
    "Content-Type: application/sdp",
    sdp="""v=0
o=- 2252310609 2252310609 IN IP4 0.0.0.0
s=RTSP Session/2.0
c=IN IP4 0.0.0.0
t=0 0
a=control:*
a=range:npt=now-
a=packetization-supported:DH
m=video 0 RTP/AVP 98
a=control:trackID=0
a=framerate:25.000000
a=rtpmap:98 H265/90000
a=fmtp:98 profile-id=1;sprop-sps=QgEBAWAAAAMAsAAAAwAAAwB7oAPAgBDljb5JMvTcBAQEAg==;sprop-pps=RAHA8vA8kA==;sprop-vps=QAEMAf//AWAAAAMAsAAAAwAAAwB7rAk=
a=recvonly
m=audio 0 RTP/AVP 97
a=control:trackID=1
a=rtpmap:97 MPEG4-GENERIC/16000
m=application 0 RTP/AVP 107
a=control:trackID=4
a=rtpmap:107 vnd.onvif.metadata/90000
""",
    setup="Session: 1204953093317;timeout=60\nTransport: RTP/AVP/TCP;unicast;interleaved=0-1;ssrc=53F9C3D1",
    play="Session: 1204953093317\nRange: npt=0.000000-\nRTP-Info: url=trackID=0;seq=44337;rtptime=3983379246",
    codec="hevc",
    setup_url="rtsp://cam.local:554/cam/realmonitor?channel=1&subtype=0/trackID=0",
    session_url="rtsp://cam.local:554/cam/realmonitor?channel=1&subtype=0/",
    payload_type=98,
    sets=3,
    keep_alive="OPTIONS",
    session="1204953093317",
)

ONVIF = Maker(
    path="/onvif/profile1/media.smp",
    public="Public: OPTIONS,DESCRIBE,SETUP,PLAY,GET_PARAMETER,SET_PARAMETER,TEARDOWN",
    describe="Content-type: application/sdp\nContent-Location: rtsp://cam.local:554/onvif/profile1/media.smp",
    sdp="""v=0
o=- 0 0 IN IP4 cam.local
s=ONVIF
t=0 0
m=audio 0 RTP/AVP 0
a=control:audio
m=application 0 RTP/AVP 107
a=rtpmap:107 vnd.onvif.metadata/90000
a=control:metadata
m=video 0 RTP/AVP 26 101
a=control:video
a=fmtp:101 packetization-mode=1;profile-level-id=4d0029
a=rtpmap:101 h264/90000
""",
    setup="Session: 00ab-ef;timeout=20\nTransport: RTP/AVP/TCP;unicast;interleaved=2-3",
    play="Session: 00ab-ef",
    codec="h264",
    setup_url="rtsp://cam.local:554/onvif/profile1/media.smp/video",
    session_url="rtsp://cam.local:554/onvif/profile1/media.smp",
    payload_type=101,
    sets=0,
    channel=2,
    keep_alive_every_s=10.0,
    session="00ab-ef",
    line_end="\n",
)

GSTREAMER = Maker(
    path="/test",
    public="Public: OPTIONS, DESCRIBE, GET_PARAMETER, PAUSE, PLAY, SETUP, SET_PARAMETER, TEARDOWN\n"
    "Server: GStreamer RTSP server",
    describe="Content-Type: application/sdp\nContent-Base: rtsp://cam.local:554/test/\nServer: GStreamer RTSP server",
    sdp="""v=0
o=- 1188340656180883 1 IN IP4 cam.local
s=Session streamed with GStreamer
i=rtsp-server
t=0 0
a=tool:GStreamer
a=type:broadcast
a=control:*
a=range:npt=now-
m=video 0 RTP/AVP 96
c=IN IP4 0.0.0.0
b=AS:4000
a=rtpmap:96 H265/90000
a=framerate:30
a=fmtp:96 sprop-vps=QAEMAf//AWAAAAMAsAAAAwAAAwB7rAk=;sprop-sps=QgEBAWAAAAMAsAAAAwAAAwB7oAPAgBDljb5JMvTcBAQEAg==;sprop-pps=RAHA8vA8kA==;sprop-max-don-diff=0
a=control:stream=0
a=ts-refclk:local
a=mediaclk:sender
a=ssrc:1710893893 cname:user@host
""",
    setup="Session: kZQMdA1a.-C6ZyoC; timeout=60\n"
    'Transport: RTP/AVP/TCP;unicast;interleaved=0-1;ssrc=65FA1C05;mode="PLAY"',
    play="RTP-Info: url=rtsp://cam.local:554/test/stream=0;seq=6441;rtptime=4233519190\nRange: npt=now-\n"
    "Session: kZQMdA1a.-C6ZyoC",
    codec="hevc",
    setup_url="rtsp://cam.local:554/test/stream=0",
    session_url="rtsp://cam.local:554/test/",
    payload_type=96,
    sets=3,
    session="kZQMdA1a.-C6ZyoC",
)

LIVE555 = Maker(
    path="/ch0",
    public="Date: Mon, Nov 23 2026 08:00:00 GMT\nPublic: OPTIONS, DESCRIBE, SETUP, TEARDOWN, PLAY, PAUSE, GET_PARAMETER, SET_PARAMETER",
    describe="Date: Mon, Nov 23 2026 08:00:00 GMT\nContent-Base: rtsp://10.0.0.7/ch0/\nContent-Type: application/sdp",
    sdp="""v=0
o=- 1479985252112321 1 IN IP4 10.0.0.7
s=Session streamed by "liveServer"
i=ch0
t=0 0
a=tool:LIVE555 Streaming Media v2016.11.28
a=type:broadcast
a=control:*
a=range:npt=0-
a=x-qt-text-nam:Session streamed by "liveServer"
m=video 0 RTP/AVP 96
c=IN IP4 0.0.0.0
b=AS:500
a=rtpmap:96 H264/90000
a=fmtp:96 packetization-mode=1;profile-level-id=64001F;sprop-parameter-sets=AAAAAWdkAB+s2UBQBbsBEAAAAwAQAAADAwDxgxlg,AAAAAWjr48siwA==
a=control:track1
""",
    setup="Date: Mon, Nov 23 2026 08:00:00 GMT\nTransport: RTP/AVP/TCP;unicast;destination=10.0.0.9;source=10.0.0.7;interleaved=0-1\n"
    "Session: 0E1F2A3B;timeout=65",
    play="Date: Mon, Nov 23 2026 08:00:00 GMT\nRange: npt=0.000-\nSession: 0E1F2A3B\n"
    "RTP-Info: url=rtsp://10.0.0.7/ch0/track1;seq=12025;rtptime=1183283218",
    codec="h264",
    setup_url="rtsp://10.0.0.7/ch0/track1",
    session_url="rtsp://10.0.0.7/ch0/",
    payload_type=96,
    sets=2,
    keep_alive_every_s=32.5,
    session="0E1F2A3B",
)

SPARSE = Maker(
    path="/live",
    public="Public:",
    describe="Content-Type: application/sdp",
    sdp="v=0\ns= \nm=video 0 RTP/AVP 96\na=rtpmap:96 H264\n",
    setup="Session: 7",
    play="",
    codec="h264",
    setup_url="rtsp://cam.local:554/live",
    session_url="rtsp://cam.local:554/live",
    payload_type=96,
    sets=0,
    keep_alive="OPTIONS",
    session="7",
)

MAKERS = {
    "hikvision": HIKVISION,
    "dahua": DAHUA,
    "onvif": ONVIF,
    "gstreamer": GSTREAMER,
    "live555": LIVE555,
    "sparse": SPARSE,
}
