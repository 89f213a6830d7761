"""One camera of a capture group: which of its streams to look at, what is due, and what a picture is compared with."""

from __future__ import annotations

import logging
from collections import Counter, deque
from collections.abc import Callable, Iterator
from datetime import datetime
from random import Random
from typing import Final

import numpy as np
from numpy.typing import NDArray

from xueliang_edge.background import Background, BackgroundFiles, Scene
from xueliang_edge.brightness import Small, small_brightness
from xueliang_edge.capture.feeds import Feed, FeedHealth, ReaderFeed, UnreadableFeed
from xueliang_edge.capture.known_views import KnownViews
from xueliang_edge.capture.orders import CameraSpec, LearnView, Pace, Release, ViewOrder
from xueliang_edge.capture.source_feed import SourceFeed
from xueliang_edge.evidence.masking import polygons_mask, quiet_luma
from xueliang_edge.looks import GOOD_VIEW, CaptureHealth, StreamName, ViewSign
from xueliang_edge.stillness import Stillness
from xueliang_edge.view_measure import VIEW_WH
from xueliang_edge.view_memory import usable_cells
from xueliang_edge.view_watch import ViewWatch
from xueliang_streams.decoding import Decoded
from xueliang_streams.errors import StreamError
from xueliang_streams.frame import Planes
from xueliang_streams.opening import may_fall_back, open_source
from xueliang_streams.reconnects import Reconnects
from xueliang_streams.source import Pace as PlayPace
from xueliang_streams.source import SourceSettings, SourceState

log = logging.getLogger(__name__)

EARLIER_KEPT: Final = 3
EARLIER_AT_MOST_S: Final = 8.0  # two looks at the slowest usual pace: what moved since then is hidden in stills
MAIN_LINGERS_S: Final = 30.0  # connecting costs a second and a key picture: not at every change of level
SUB_GIVEN_UP_AFTER_S: Final = 10.0  # a sub stream that gives nothing for so long: the main stream serves meanwhile
GIVEN_UP_AFTER_FAILURES: Final = 5  # pictures in a row that could not be decoded
LATE_S: Final = 0.5  # a main stream that is later than its pace by this: the sub stream gives the look
LEAST_PATIENCE_S: Final = 2.5  # of a stream that may give key pictures only: one every two seconds is usual
SUB_CHECK_EVERY_S: Final = 0.5
RARE_KEYS_S: Final = 6.0  # said to the installer: beyond this a camera costs many times more ("smart codec")
LARGEST_LONG_SIDE_PX: Final = 1920  # what a slot holds; detectors see less, stills are at most 1280
USUAL_SUB_LONG_SIDE_PX: Final = 1024  # a larger sub stream is compared with the main stream once
COMPARED_WITHIN_S: Final = 60.0
SAME_SHAPE: Final = 0.02  # 640x360 and 704x400 are the same picture
SCENE_SAVE_EVERY_S: Final = 3600.0
SCENE_FIRST_SAVE_SHARE: Final = 0.6


class CapturedCamera:
    """Belongs to the capture loop's thread."""

    def __init__(
        self,
        spec: CameraSpec,
        files: BackgroundFiles,
        *,
        wall: Callable[[], datetime],
        mono: Callable[[], float],
        rng: Random,
        scratch: memoryview,
        reconnects: Reconnects,
        faults: Counter[str],
    ) -> None:
        self.spec = spec
        self.pace = Pace(spec.gap_s, every_key=False, stream="sub" if spec.sub_url else "main")
        self._wall, self._mono, self._rng, self._scratch = wall, mono, rng, scratch
        self._reconnects, self._faults = reconnects, faults
        self._feeds: dict[StreamName, Feed] = {}
        self._ending: Feed | None = None  # the main stream as it was read last
        self._is_put_off = False
        self._wanted_main_mono_s = mono()
        self._started_mono_s = mono()
        self.next_poll_mono_s = mono()
        self._due_on: StreamName = "sub" if spec.sub_url else "main"
        self._failed_takes: Counter[StreamName] = Counter()
        self._gave_mono_s: dict[StreamName, float] = {}
        self._sub_checked_mono_s = mono()
        self._has_no_sub = False
        self._compare_until_mono_s: float | None = None
        self.is_out = False  # a look of it was sent and not released yet
        self.is_hurried = False
        self.last_look_mono_s: float | None = None
        self._views: KnownViews | None = None
        if spec.view_ids:
            self._views = KnownViews(spec.camera_id, spec.view_ids, files, spec.privacy_zones_xyn)
        self._background: Background | None = None if self._views is not None else files.load(spec.camera_id)
        self._frame_size_wh = (0, 0)
        self._saved_mono_s: float | None = None if self._background is None else mono()
        self._stillness = Stillness(self._background.restlessness) if self._background is not None else None
        self._earlier: deque[tuple[float, NDArray[np.uint8]]] = deque(maxlen=EARLIER_KEPT)
        self._quiet: tuple[float, NDArray[np.uint8]] | None = None
        self._small: Small | None = None
        self._is_doubtful = False  # the picture in hand
        self._view: ViewWatch | None = None
        self._masks: dict[tuple[int, int], NDArray[np.bool_]] = {}
        self.sizes: dict[StreamName, tuple[int, int]] = {}
        self._decode_ms: float | None = None
        self._decoded_before: Counter[str] = Counter()  # by feeds that are closed
        self.dropped: Counter[str] = Counter()

    def start(self) -> None:
        primary: StreamName = "sub" if self.spec.sub_url else "main"
        self._open(primary)

    def poll(self) -> None:
        """Input and output of its streams; opens and closes the main stream as it is needed."""
        self._tend_main()
        looked_at = self._looked_at()
        for name, feed in self._feeds.items():
            if name not in looked_at:
                feed.rest(self.pace)
            feed.poll()
        self._replace_what_is_not_spoken()
        self.next_poll_mono_s = self._mono() + min(feed.next_poll_in_s for feed in self._feeds.values())

    def due_mono_s(self) -> float | None:
        """Until when the most urgent picture should be decoded; None: nothing is due, or a look is still out."""
        if self.is_out:
            return None
        for name in self._looked_at():
            due = self._feeds[name].due_mono_s(self.pace, self.last_look_mono_s, is_hurried=self.is_hurried)
            if due is not None:
                self._due_on = name
                return due
        return None

    def take(self) -> tuple[Decoded, StreamName] | None:
        """Decode what is due. None: it could not be decoded, and was counted."""
        name = self._due_on
        decoded = self._feeds[name].take() if name in self._feeds else None
        if decoded is None:
            self._failed_takes[name] += 1
            return None
        self._failed_takes[name] = 0
        self._gave_mono_s[name] = self._mono()
        self.sizes[name] = decoded.planes.size_wh
        self.is_hurried = False
        self.last_look_mono_s = decoded.arrival.mono_s
        self._is_doubtful = decoded.is_doubtful
        self._decode_ms = decoded.decode_ms
        return decoded, name

    def measure(self, planes: Planes, frame_size_wh: tuple[int, int], stream: StreamName) -> None:
        """A picture came. `planes` is as it lies in its slot, privacy zones filled.

        Both streams of a camera show the same view, whatever their shapes: only another shape of the primary stream is
        another view.
        """
        self._frame_size_wh = frame_size_wh
        self._small = small_brightness(planes)
        is_primary = stream == ("sub" if self.spec.sub_url else "main")
        is_other = self._background is not None and not _is_same_shape(self._background.frame_size_wh, frame_size_wh)
        if self._views is not None:
            if is_primary and is_other:
                self._views.forget()
                self._background = None
        elif self._background is None or (is_primary and is_other):
            self._background = Background(frame_size_wh)
            self._saved_mono_s = None
            self._stillness = None
            self._view = None

    def compare(self, planes: Planes) -> tuple[NDArray[np.float32] | None, NDArray[np.float32] | None]:
        """What differs from the long-term scene, and from the picture the detectors last looked at; None, None: the
        picture that was measured last is of no view that is known. Of one that may be damaged the first is not told:
        what has no name could be the damage."""
        self._keep_quiet(planes)
        if self._background is None or self._small is None:
            return None, None
        if self._stillness is None:
            self._stillness = Stillness(self._background.restlessness)
        change = None if self._is_doubtful else self._background.change(self._small)
        return change, self._stillness.moved(self._small)

    def judge_view(self, planes: Planes, stream: StreamName) -> ViewSign:
        """Whether the picture that was measured last shows the camera's place."""
        at = self.last_look_mono_s
        if self._views is not None:
            return self._find_view(self._views, planes, stream)
        if self._background is None or self._small is None or at is None:
            return GOOD_VIEW
        if self._view is None:
            hidden = polygons_mask(self.spec.privacy_zones_xyn, VIEW_WH)
            self._view = ViewWatch(self._background.view, usable_cells(hidden), hidden)
        feed = self._feeds.get(stream)
        return self._view.look(planes, self._small, stream, at, None if feed is None else feed.sent())

    def _find_view(self, views: KnownViews, planes: Planes, stream: StreamName) -> ViewSign:
        """Which of its views the picture shows; what follows is compared with the scene of that view."""
        before, self._background = self._background, None
        if self._small is None or self.last_look_mono_s is None:
            return ViewSign(is_doubtful=True)
        feed = self._feeds.get(stream)
        sent = None if feed is None else feed.sent()
        sign = views.look(planes, self._small, self._frame_size_wh, stream, self.last_look_mono_s, sent)
        self._background = views.scene
        if self._background is not before:
            self._stillness = None
            self._earlier.clear()
            self._quiet = None
        return sign

    def order_view(self, order: ViewOrder) -> None:
        """A person says what it shows; nothing for a camera that stands still."""
        if self._views is None:
            return
        if isinstance(order, LearnView):
            self._views.learn(order.view_id)
        else:
            self._views.renew(order.view_id, order.shift_xyn, order.order_id)

    def _keep_quiet(self, planes: Planes) -> None:
        """Keep what a still compares with, while something is going on: an idle camera raises nothing."""
        if self._quiet is not None:
            self._earlier.appendleft(self._quiet)
        is_idle = not self.pace.every_key and not self.spec.is_fast
        at = self.last_look_mono_s or 0.0
        self._quiet = None if is_idle else (at, quiet_luma(planes))

    def hide_private(self, planes: Planes) -> None:
        """Fill the privacy zones in a picture that lies in memory of ours."""
        if not self.spec.privacy_zones_xyn:
            return
        mask = self._masks.get(planes.size_wh)
        if mask is None:
            mask = self._masks[planes.size_wh] = polygons_mask(self.spec.privacy_zones_xyn, planes.size_wh)
        half = mask[::2, ::2]
        planes.y[mask] = 0 if planes.is_full_range else 16
        planes.u[half] = 128
        planes.v[half] = 128

    def released(self, planes: Planes, order: Release) -> None:
        """The picture in hand is done with: what the detectors found in it is compared with from here on."""
        self.is_out = False
        at = self.last_look_mono_s
        if self._small is None or self._background is None or self._stillness is None or at is None:
            return
        if order.seen_xyxyn is not None:
            self._stillness.judged(self._small, order.seen_xyxyn, at)
        if order.excluded_xyxyn is not None and not self._is_doubtful:
            self._background.learn(planes, order.excluded_xyxyn, at, self._small)

    def scene_parts(self) -> tuple[Scene | None, list[NDArray[np.uint8]]]:
        """The long-term scene, and what a still compares its picture with to find what moves, newest first."""
        scene = self._background.scene() if self._background is not None else None
        now = self.last_look_mono_s or 0.0
        recent = [picture for at, picture in self._earlier if 0 <= now - at <= EARLIER_AT_MOST_S]
        # Those of the other stream have another size and say nothing.
        return scene, [picture for picture in recent if picture.shape == recent[0].shape]

    def scenes_to_save(self) -> Iterator[tuple[str, Background]]:
        """Its long-term scenes that it is time to write, by the names of their files."""
        if self._views is not None:
            yield from self._views.to_save(self._mono())
        elif (background := self._scene_to_save()) is not None:
            yield self.spec.camera_id, background

    def _scene_to_save(self) -> Background | None:
        background = self._background
        if background is None:
            return None
        if self._saved_mono_s is None:
            is_view_alone = background.known_share == 0 and background.view.is_known  # no detector teaches a scene
            is_due = background.known_share >= SCENE_FIRST_SAVE_SHARE or is_view_alone
        else:
            is_due = self._mono() - self._saved_mono_s >= SCENE_SAVE_EVERY_S
        if not is_due:
            return None
        self._saved_mono_s = self._mono()
        return background

    def scenes(self) -> Iterator[tuple[str, Background]]:
        """All its long-term scenes of which anything is known."""
        if self._views is not None:
            yield from ((self._views.file_of(name), one) for name, one in self._views.scenes.items())
        elif self._background is not None and self._background.is_worth_saving:
            yield self.spec.camera_id, self._background

    def health(self) -> CaptureHealth:
        """How it does. The primary stream speaks for it, unless the other one serves."""
        shown = self._feeds.get(next(iter(self._in_order()), "main"))
        if shown is None:
            return CaptureHealth(SourceState.CONNECTING, self._started_mono_s, None, 0)
        one = shown.health()
        known = self._background.known_share if self._background is not None else 0.0
        dropped = Counter(dict(one.source.frames_dropped)) + self.dropped
        return CaptureHealth(
            state=one.source.state,
            since_mono_s=one.source.since_mono_s,
            problem=one.source.problem,
            attempts=one.source.attempts,
            last_packet_mono_s=one.source.last_packet_mono_s,
            frames_dropped=dict(dropped),
            scene_known_share=known,
            reader=one.reader,
            key_interval_s=one.key_interval_s,
            pictures_per_s=one.pictures_per_s,
            mbit_per_s=one.mbit_per_s,
            decode_ms=self._decode_ms,
            pictures_decoded=self._pictures_decoded(),
            notes=tuple(self._notes(one)),
            views=() if self._views is None else self._views.states(),
        )

    def close(self) -> None:
        """Returns at once; see `is_closed`."""
        for feed in self._feeds.values():
            feed.close()

    def is_closed(self, wait_s: float) -> bool:
        """After `close`: none of its readers runs any more; waits for each up to `wait_s`."""
        feeds = [*self._feeds.values(), *([] if self._ending is None else [self._ending])]
        return all(feed.is_closed(wait_s) for feed in feeds)

    def _pictures_decoded(self) -> dict[str, int]:
        counts = self._decoded_before.copy()
        for name, feed in self._feeds.items():
            if (decoded := feed.health().pictures_decoded) is not None:
                counts[name] += decoded
        return dict(counts)

    def _notes(self, one: FeedHealth) -> list[str]:
        notes = []
        if one.key_interval_s is not None and one.key_interval_s > RARE_KEYS_S:
            how = "decoded whole, which costs many times more" if one.is_decoded_whole else "looks are that far apart"
            notes.append(
                f"a key picture only every {one.key_interval_s:.0f} s: {how}; set the camera's I-frame interval"
            )
        if any(isinstance(feed, ReaderFeed) and feed.reader.not_spoken for feed in self._feeds.values()):
            notes.append(
                "over rtsps no other reader is tried, because libav's verifies no certificate: "
                "set the camera to H.264 or H.265 over RTP and TCP"
            )
        main, sub = self.sizes.get("main"), self.sizes.get("sub")
        if main and sub and sub[0] * sub[1] > main[0] * main[1]:
            notes.append(f"the sub stream ({sub[0]}x{sub[1]}) is larger than the main ({main[0]}x{main[1]}): swapped?")
        return notes

    def _open(self, name: StreamName) -> None:
        url = self.spec.main_url if name == "main" else self.spec.sub_url
        if url is None or (name == "main" and self._must_put_off()):
            return
        settings = SourceSettings(stall_after_s=self.spec.stall_after_s)
        camera_id = self.spec.camera_id
        feed: Feed
        try:
            if self.spec.is_recording:
                # Twice the pace: whenever a look is due, the newest picture is at most half a gap old.
                fps = (1.0 if self.spec.is_fast else 2.0) / self.spec.gap_s
                settings = SourceSettings(stall_after_s=self.spec.stall_after_s, max_fps=fps)
                pace = PlayPace.FAST if self.spec.is_fast else PlayPace.REAL
                source = open_source(camera_id, url, wall=self._wall, mono=self._mono, settings=settings, pace=pace)
                feed = SourceFeed(source, is_fast=self.spec.is_fast, reader="recording", mono=self._mono)
            else:
                feed = ReaderFeed(
                    camera_id,
                    url,
                    settings=settings,
                    wall=self._wall,
                    mono=self._mono,
                    rng=self._rng,
                    scratch=self._scratch,
                    reconnects=self._reconnects,
                )
        except StreamError as error:
            log.error("camera cannot be opened", extra={"camera_id": camera_id, "problem": str(error)})
            feed = UnreadableFeed(str(error), self._mono())
        self._feeds[name] = feed
        feed.start()

    def _replace_what_is_not_spoken(self) -> None:
        """What our reader does not speak goes to libav's, for good; except over `rtsps`, which stays as it is."""
        for name, feed in list(self._feeds.items()):
            not_spoken = feed.reader.not_spoken if isinstance(feed, ReaderFeed) else None
            url = self.spec.main_url if name == "main" else self.spec.sub_url or ""
            if not_spoken is None or not may_fall_back(url):
                continue
            reason = not_spoken.reason
            if decoded := feed.health().pictures_decoded:
                self._decoded_before[name] += decoded
            feed.close()
            settings = SourceSettings(stall_after_s=self.spec.stall_after_s)
            source = open_source(
                self.spec.camera_id,
                url,
                wall=self._wall,
                mono=self._mono,
                settings=settings,
                reader="libav",
                reconnects=self._reconnects,
                not_spoken=not_spoken,
            )
            self._feeds[name] = SourceFeed(source, is_fast=False, reader=f"libav ({reason})", mono=self._mono)
            self._feeds[name].start()
            log.info("camera goes by libav", extra={"camera_id": self.spec.camera_id, "why": reason})

    def _tend_main(self) -> None:
        if self.spec.sub_url is None:
            return
        now = self._mono()
        if now - self._sub_checked_mono_s >= SUB_CHECK_EVERY_S:
            self._sub_checked_mono_s, self._has_no_sub = now, self._is_sub_away(now)
        if self._wants_main():
            self._wanted_main_mono_s = now
            if "main" not in self._feeds:
                self._open("main")
        elif "main" in self._feeds and now - self._wanted_main_mono_s > MAIN_LINGERS_S:
            main = self._ending = self._feeds.pop("main")
            self._decoded_before["main"] += main.health().pictures_decoded or 0
            main.close()

    def _wants_main(self) -> bool:
        return self.pace.stream == "main" or self._has_no_sub or self._must_compare()

    def _must_compare(self) -> bool:
        """The sub stream is so large that it may be the main one: one look at the other tells, if it comes in time."""
        if "main" in self.sizes or max(self.sizes.get("sub", (0, 0))) <= USUAL_SUB_LONG_SIDE_PX:
            return False
        if self._compare_until_mono_s is None:
            self._compare_until_mono_s = self._mono() + COMPARED_WITHIN_S
        return self._mono() < self._compare_until_mono_s

    def _must_put_off(self) -> bool:
        """Its last reader has not ended yet: never two at a time, however often the main stream is asked for."""
        was_put_off, self._is_put_off = self._is_put_off, self._ending is not None and not self._ending.is_closed()
        if self._is_put_off and not was_put_off:
            self._faults["main_stream_put_off"] += 1
        return self._is_put_off

    def _is_sub_away(self, now: float) -> bool:
        source = self._feeds["sub"].health().source
        away_s = now - (source.last_packet_mono_s or self._started_mono_s)
        is_silent = source.state is not SourceState.STREAMING and away_s > SUB_GIVEN_UP_AFTER_S
        return is_silent or self._failed_takes["sub"] >= GIVEN_UP_AFTER_FAILURES

    def _in_order(self) -> list[StreamName]:
        """The streams to look at, best first: the main one while it is wanted, else the sub stream."""
        if "sub" not in self._feeds:
            return ["main"] if "main" in self._feeds else []
        return ["main", "sub"] if "main" in self._feeds and self._wants_main() else ["sub"]

    def _looked_at(self) -> list[StreamName]:
        """The streams that may give the next look, best first: none beside one that serves."""
        names = self._in_order()
        serving = next((place for place, name in enumerate(names) if self._serves(name)), len(names))
        return names[: serving + 1]

    def _serves(self, name: StreamName) -> bool:
        """It gave a picture of late, so that nobody looks at the other stream while its next one is on its way.

        Hardly longer than two looks may be apart, whatever the stream does: the other one has kept a picture for then.
        """
        gave = self._gave_mono_s.get(name)
        patience_s = self.pace.gap_s + LATE_S
        if not self.pace.may_decode_all:
            patience_s = max(LEAST_PATIENCE_S, patience_s)
        return gave is not None and self._mono() - gave <= patience_s


def _is_same_shape(one_wh: tuple[int, int], other_wh: tuple[int, int]) -> bool:
    """Two streams of one camera differ in size; another shape is another view."""
    return abs(one_wh[0] * other_wh[1] / (one_wh[1] * other_wh[0]) - 1) < SAME_SHAPE
