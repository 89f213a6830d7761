"""Our own RTSP reader: one camera over TCP or TLS, video only, polled, never blocking.

    reader.py        a camera's life over many connections (how it stands: `../standing.py`)
    session.py       one connection: deadlines, keep-alive, stall
    connection.py    the socket: names, connect, TLS, reads and writes that never block
    dialogue.py      which request comes next, what an answer means (no socket, no clock)
    messages.py, description.py, authentication.py    the texts
    interleaved.py, depacketising.py, sender_reports.py, ...    what comes after SETUP: bytes to coded pictures
    source.py        a thread around the reader, with a decoder

The room's door (`open_source`) chooses between this reader and libav's.
"""
