"""The program that sends one camera's stream to the centre while somebody watches, and then ends.

A process of its own with a connection of its own to the camera, as nice as can be: whatever camera, line or viewer do,
looks and alerts go on as before, and the node can end it for sure. Nothing is decoded or written to a disk.
"""

from __future__ import annotations

import os
import sys
import time
from random import Random
from typing import Final

from xueliang_alerts.clocks import system_mono, system_wall
from xueliang_edge.children import FIRST_MESSAGE_S, Line, take_up
from xueliang_edge.errors import ChildGone
from xueliang_edge.live_view.messages import Ended, Task
from xueliang_edge.live_view.sending import Sender
from xueliang_streams.backoff import Backoff
from xueliang_streams.coded_picture import CodedPicture
from xueliang_streams.errors import NotAVideo, StreamError
from xueliang_streams.live_mp4 import LiveMp4
from xueliang_streams.rtsp.reader import RtspReader
from xueliang_streams.source import SourceSettings, SourceState

NOT_UNDERSTOOD: Final = 2
NICE: Final = 19  # the most: it takes what nobody else wants
FIRST_PICTURE_S: Final = 12.0  # to connect (5), and for the next key picture (5, streams/README.md)


def main() -> int:
    """The exit status: 0 when it was told why it ended, or nobody listens any more."""
    line = take_up()
    os.nice(NICE)
    try:
        task = line.receive(FIRST_MESSAGE_S)
        if not isinstance(task, Task):
            return NOT_UNDERSTOOD
        line.send(send_stream(task, line), None)
    except ChildGone:
        return 0
    return 0


def send_stream(task: Task, line: Line) -> Ended:
    """Until the time is over, the camera or the viewer is gone, or the node says so (any message, or none there)."""
    sender = Sender(task.target, task.token, task.kbit_per_s, mono=system_mono)
    sender.start()
    try:
        why = _read(task, sender, line)
    except ChildGone:
        why = "node_stopped"
    except NotAVideo:
        why = "not_h264"
    except StreamError:
        why = "camera_unreachable"
    sender.close(why)
    return Ended(sender.over or why, sender.sent_bytes, sender.lost)


def _read(task: Task, sender: Sender, line: Line) -> str:
    """A stable word for why it is over. Raises ChildGone, StreamError."""
    reader = RtspReader(
        task.camera_id,
        task.url,
        wall=system_wall,
        mono=system_mono,
        settings=SourceSettings(),
        backoff=Backoff(),
        rng=Random(),  # noqa: S311 - spreads reconnects, keeps no secret
    )
    reader.assemble = "all"
    wrapping = LiveMp4(task.mark)
    began_s, has_begun = system_mono(), False
    try:
        while not sender.over:
            if line.receive(0) is not None:
                return "node_stopped"
            for picture in reader.poll():
                has_begun = hand_on(picture, wrapping, sender) or has_begun
            why = _over(reader, system_mono() - began_s, task.for_s, has_begun=has_begun)
            if why:
                return why
            time.sleep(reader.next_poll_in_s)
        return sender.over
    finally:
        reader.close()


def hand_on(picture: CodedPicture, wrapping: LiveMp4, sender: Sender) -> bool:
    """Whether it can be shown. Raises NotAVideo."""
    fragment = wrapping.take(picture)
    if fragment is None:
        return False
    lost_before = sender.lost
    sender.put(fragment, wrapping.codec)
    if sender.lost != lost_before:  # maybe the initialisation segment, without which nothing after it is seen
        wrapping.begin_again()
    return True


def _over(reader: RtspReader, since_s: float, for_s: float, *, has_begun: bool) -> str:
    if since_s >= for_s:
        return "time_over"
    if reader.not_spoken is not None:
        return "not_spoken"
    state = reader.health().state
    if state is SourceState.AUTH_FAILED:
        return "login_refused"
    if state is SourceState.OFFLINE or (state is SourceState.STALLED and has_begun):
        return "camera_gone" if has_begun else "camera_unreachable"
    if not has_begun and since_s >= FIRST_PICTURE_S:
        return "no_key_picture"
    return ""


if __name__ == "__main__":
    sys.exit(main())
