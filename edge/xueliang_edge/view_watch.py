"""Whether a camera still shows its place: one verdict a look, from its picture and what it usually shows.

Invariants
    - A fault needs a fresh edge: what is judged is how much differs at once from what the camera usually shows, and
      that follows slow change. Dusk, fog, the infrared light at night and what grows over months become usual.
    - Only black and blown-out pictures are said without knowing the camera: from its first look on they show nothing.
    - From the first look that may show a fault, nothing is learnt and the view is doubtful: what the rules would not
      see in it is unknown. A fault is said after `CONFIRM_S`: headlights and a lorry that passes are none.
    - A view that was found faulty is good again only when the usual one is back. A camera that was turned for good is
      accepted by a person, by removing its file of what it usually shows (docs/hazards/camera_fault.md).

Frozen is another thing: nothing differs. Two key pictures of a living camera differ in a third of their pixels or more
by the noise of its sensor, however still the place and however strongly coded (measured, H.264 and H.265: at most 0.62
are the same); of a frozen one, by nothing but what the encoder chooses, and again and again by nothing at all. A loop
of footage repeats its key pictures and has other pictures in between. So it is said when the camera sends next to
nothing between its key pictures and some of them are the same in nineteen pixels of twenty.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from xueliang_edge.brightness import Small
from xueliang_edge.looks import GOOD_VIEW, StreamName, ViewSign
from xueliang_edge.observations import VIEW_FIGURE_STEPS, ViewFault, stepped
from xueliang_edge.view_measure import (
    CELLS_WH,
    VIEW_WH,
    ViewFeatures,
    features_of,
    layout_correlation,
    same_share,
    shift_between,
)
from xueliang_edge.view_memory import ViewMemory
from xueliang_streams.frame import Planes

CONFIRM_S: Final = 5.0
CONFIRM_LOOKS: Final = 3
GONE_SHARE: Final = 0.15  # kept of the scene: chance alone leaves 0.10 (another street), a lorry before 60 % of it 0.31
BACK_SHARE: Final = 0.25
GONE_IN_INFRARED: Final = 0.05  # when the colours went too, a scene lit from another side is no covered one
SHIFTED_BELOW: Final = 0.45  # a fiftieth of the picture aside, 0.35 of it is kept
SHIFTED_BACK: Final = 0.3  # of what is still in the picture, when it is moved back
LEAST_SHIFT: Final = 4  # samples, a twentieth of the picture: poles move by 2 (lot_person_bicycle_car)
DARK_SHARE: Final = 0.93  # a clock and a name in white take the rest
BLOWN_SHARE: Final = 0.6
ABRUPT_LIGHT: Final = 0.6  # of the usual brightness; dusk leaves 0.93 of what is followed two minutes late
LIGHT_LEVELS: Final = 35.0  # a place that is usually darker cannot turn black
BLURRED: Final = 0.5  # of the usual sharpness; between day and night it keeps 0.78 (rendered), with a lorry 0.64
SHARP_AGAIN: Final = 0.65
SAME_LAYOUT: Final = 0.7
FLAT: Final = 0.3  # of the usual strength of edges: a covered lens keeps 0.03 to 0.3
GREY: Final = 0.8  # levels; recorded colours in the dullest weather leave 2
SAME_PIXELS: Final = 0.95  # of two key pictures; a clock in the picture takes the rest
SAME_PAIRS: Final = 2
STILL_LEVELS: Final = 12.0  # of a cell's mean; the digits of a clock change it by less, whatever moves by more
UNLIKE_PIXELS: Final = 0.2  # an encoder that changes its quality leaves 0.27 of a frozen picture, another scene 0.18
FROZEN_AFTER_S: Final = 20.0
FROZEN_KEYS: Final = 4
SAME_WITHIN_LOOKS: Final = 15  # an encoder that changes its quality has settled by then
QUIET_BYTES: Final = 400.0  # of a picture in which nothing changes, with its packets; sensor noise makes thousands
RTP_OVERHEAD: Final = 1.03
FINE_LEAST: Final = 4.0  # levels between two pixels of a sharp edge: below, noise reduction and rounding decide
Teaches = Literal["all", "light", "nothing"]
"""What the usual view learns from a good picture: all of it, how light and sharp it is, or nothing."""
SCENE_FAULTS: Final = frozenset({ViewFault.COVERED, ViewFault.MOVED})


@dataclass(frozen=True, slots=True)
class Sent:
    """What a stream brought up to its newest key picture, all counted since it was opened.

    Attributes:
        keys, key_bytes: key pictures, and the bytes of them. all_bytes: with the packets, whatever they held.
        pictures_per_s: of late.
    """

    keys: int
    key_bytes: int
    all_bytes: int
    pictures_per_s: float


@dataclass(frozen=True, slots=True, eq=False)
class _Run:
    """A stream that sends next to nothing between its key pictures.

    Attributes:
        sample, layout, sent, mono_s: of the last look with a new key picture.
        since_mono_s, first_keys: of the first. same_pairs: how often one was the same as the one before.
        looks_since_same: with other key pictures, since.
    """

    stream: StreamName
    sample: NDArray[np.uint8]
    layout: NDArray[np.float32]
    sent: Sent
    mono_s: float
    since_mono_s: float
    first_keys: int
    same_pairs: int = 0
    looks_since_same: int = 0


@dataclass(frozen=True, slots=True)
class _Found:
    fault: ViewFault
    figure: float


class ViewWatch:
    """Judges the views of one camera, look by look. Belongs to one thread.

    `usable`: bool (9, 16), `view_memory.usable_cells`. `hidden`: bool (45, 80), what privacy zones fill.
    """

    def __init__(
        self, memory: ViewMemory, usable: NDArray[np.bool_] | None = None, hidden: NDArray[np.bool_] | None = None
    ) -> None:
        self.memory = memory
        self._shown = None if hidden is None or not hidden.any() or hidden.all() else ~hidden
        self._usable = np.ones((CELLS_WH[1], CELLS_WH[0]), np.bool_) if usable is None else usable
        self._has_seen = memory.looks > 0
        self._since_mono_s: float | None = None  # since when something may be wrong
        self._looks = 0  # that were so
        self._fault: ViewFault | None = None
        self._run: _Run | None = None
        self._has_lived = False  # two pictures differed

    def look(
        self, planes: Planes, small: Small, stream: StreamName, mono_s: float, sent: Sent | None = None
    ) -> ViewSign:
        """One picture further. `sent`: None where nobody counts what the stream brings."""
        return self.judge(self.features(planes, small), stream, mono_s, sent)

    def features(self, planes: Planes, small: Small) -> ViewFeatures:
        """The picture measured as `judge` wants it."""
        return features_of(planes, small, self._shown)

    def turn(self, memory: ViewMemory) -> None:
        """The camera shows another of its views from here on: nothing of the one before says anything about it."""
        self.memory, self._run, self._fault = memory, None, None
        self._since_mono_s, self._looks = None, 0

    def judge(
        self,
        seen: ViewFeatures,
        stream: StreamName,
        mono_s: float,
        sent: Sent | None = None,
        *,
        asked: frozenset[ViewFault] = frozenset(ViewFault),
        teaches: Teaches = "all",
    ) -> ViewSign:
        """One picture further. Of a camera that turns, only some faults are `asked` of it, and it may teach less."""
        kept_share = self.memory.kept_share(seen, self._usable)
        found = self._light(seen, kept_share) or self._scene(seen, kept_share)
        if found is None or found.fault not in asked:
            self._since_mono_s, self._looks = None, 0
            is_frozen = self._is_frozen(seen, stream, mono_s, sent)
            self._fault = ViewFault.FROZEN if is_frozen else None
            if is_frozen:
                return ViewSign(ViewFault.FROZEN, figure=1.0)
            self._has_seen = True
            if teaches == "light":
                self.memory.learn_light(seen, mono_s)
            elif teaches == "all":
                self.memory.learn(seen, 1.0 if kept_share is None else kept_share, mono_s)
            return GOOD_VIEW
        self._run = None
        return self._wrong(found, mono_s)

    def _wrong(self, found: _Found, mono_s: float) -> ViewSign:
        if self._fault not in {None, ViewFault.DEFOCUSED, *SCENE_FAULTS} and found.fault in SCENE_FAULTS:
            # Out of darkness, or unfrozen, into another light: what the scene looks like in it is a new question.
            self._fault, self._since_mono_s, self._looks = None, None, 0
        since = self._since_mono_s = mono_s if self._since_mono_s is None else self._since_mono_s
        self._looks += 1
        is_confirmed = mono_s - since >= CONFIRM_S and self._looks >= CONFIRM_LOOKS
        if self._fault is not None or is_confirmed:
            self._fault = found.fault
            return ViewSign(found.fault, figure=max(stepped(found.figure), 1 / VIEW_FIGURE_STEPS))
        return ViewSign(is_doubtful=True)

    def _light(self, seen: ViewFeatures, kept_share: float | None) -> _Found | None:
        """Black or blown out: at once, or from the first look on."""
        usual = self.memory
        is_first = not self._has_seen
        if seen.dark_share >= DARK_SHARE - (0.1 if self._fault is ViewFault.BLACK else 0.0):
            is_abrupt = usual.mean >= LIGHT_LEVELS and seen.mean <= ABRUPT_LIGHT * usual.mean
            if is_first or is_abrupt:
                return _Found(ViewFault.BLACK, seen.dark_share)
        is_blown = seen.blown_share >= BLOWN_SHARE and (kept_share is None or kept_share <= BACK_SHARE)
        is_abrupt = seen.blown_share - usual.blown_share >= BLOWN_SHARE / 2
        if is_blown and (seen.blown_share >= DARK_SHARE if is_first else is_abrupt):
            return _Found(ViewFault.OVER_EXPOSED, seen.blown_share)
        return None

    def _scene(self, seen: ViewFeatures, kept_share: float | None) -> _Found | None:
        """The usual scene is not there, not where it was, or not sharp."""
        usual = self.memory
        if kept_share is None or not usual.is_known:
            return None
        strength = _ratio(seen.structure.strength[self._usable], usual.structure.strength[self._usable])
        sharpness = self._sharpness(seen, strength)
        is_blurred = sharpness is not None and sharpness <= (
            SHARP_AGAIN if self._fault is ViewFault.DEFOCUSED else BLURRED
        )
        layout = abs(layout_correlation(seen.structure, usual.structure, self._usable))
        if is_blurred and sharpness is not None and layout >= SAME_LAYOUT:
            return _Found(ViewFault.DEFOCUSED, 1.0 - sharpness)
        if kept_share <= SHIFTED_BELOW and not is_blurred:
            (right, down), share = shift_between(seen.structure, usual.structure, usual.informative & self._usable)
            if share >= max(SHIFTED_BACK, 2 * kept_share):
                shift = max(abs(right) / VIEW_WH[0], abs(down) / VIEW_WH[1])
                is_far = max(abs(right), abs(down)) >= LEAST_SHIFT
                return _Found(ViewFault.MOVED, min(0.95, shift)) if is_far else None
        is_infrared = (seen.colour <= GREY) != (usual.colour <= GREY)
        gone_share = GONE_IN_INFRARED if is_infrared else GONE_SHARE
        # What is blurred and laid out otherwise hangs before the lens: its soft folds agree with some edges by chance.
        was_gone = self._fault in SCENE_FAULTS
        if kept_share > (max(gone_share, BACK_SHARE) if is_blurred or was_gone else gone_share):
            return None
        if is_blurred or strength <= FLAT:
            return _Found(ViewFault.COVERED, 1.0 - kept_share)
        # As sharp as ever and nothing of it known: another place, or something large with a face of its own.
        return None if is_infrared and not was_gone else _Found(ViewFault.MOVED, 1.0)

    def _sharpness(self, seen: ViewFeatures, strength: float) -> float | None:
        """Of the usual sharpness, 0..1; None: it cannot be told."""
        usual = self.memory.sharpness.get(seen.width_px)
        if not usual or (seen.sharpness is not None and usual * seen.highest_step < FINE_LEAST):
            return None
        if seen.sharpness is None:  # no edge any more: blurred away, unless there is no light or only fog
            return 0.0 if strength >= FLAT / 2 and seen.mean > LIGHT_LEVELS else None
        return min(1.0, seen.sharpness / usual)

    def _is_frozen(self, seen: ViewFeatures, stream: StreamName, mono_s: float, sent: Sent | None) -> bool:
        run, was_frozen = self._run, self._fault is ViewFault.FROZEN
        if sent is None:
            self._run = None
            return False
        if run is not None and run.stream == stream and run.sent.keys == sent.keys:
            return was_frozen  # no new key picture: nothing new is known
        if run is None or run.stream != stream or sent.keys < run.sent.keys:
            # Another stream, or opened anew: it is still frozen until two of its key pictures differ.
            self._run = _went_on(None, seen, 0.0, stream, mono_s, sent)
            return was_frozen
        share = same_share(run.sample, seen.sample)
        self._has_lived |= 0.0 < share < SAME_PIXELS
        before, run = run, _went_on(run, seen, share, stream, mono_s, sent)
        self._run = run
        if was_frozen:
            return run.since_mono_s == before.since_mono_s
        is_long = mono_s - run.since_mono_s >= FROZEN_AFTER_S and sent.keys - run.first_keys >= FROZEN_KEYS
        has_scene = bool(self.memory.informative.any())
        return is_long and run.same_pairs >= SAME_PAIRS and self._has_lived and has_scene


def _went_on(run: _Run | None, seen: ViewFeatures, share: float, stream: StreamName, mono_s: float, sent: Sent) -> _Run:
    """The run one key picture further, or a new one: other things came in between, or this is another picture."""
    sample, layout = seen.sample, seen.structure.layout
    if (
        run is None
        or share < UNLIKE_PIXELS
        or float(np.abs(layout - run.layout).max()) > STILL_LEVELS
        or run.looks_since_same >= SAME_WITHIN_LOOKS
        or _bytes_between(run.sent, sent, mono_s - run.mono_s) > QUIET_BYTES
    ):
        return _Run(stream, sample, layout, sent, mono_s, mono_s, sent.keys)
    is_same = share >= SAME_PIXELS
    return replace(
        run,
        sample=sample,
        layout=layout,
        sent=sent,
        mono_s=mono_s,
        same_pairs=run.same_pairs + is_same,
        looks_since_same=0 if is_same else run.looks_since_same + 1,
    )


def _bytes_between(first: Sent, last: Sent, elapsed_s: float) -> float:
    """Of one picture between two key pictures, on average."""
    pictures = last.pictures_per_s * elapsed_s - (last.keys - first.keys)
    other_bytes = last.all_bytes - first.all_bytes - RTP_OVERHEAD * (last.key_bytes - first.key_bytes)
    return max(0.0, other_bytes) / max(1.0, pictures)


def _ratio(now: NDArray[np.float32], then: NDArray[np.float32]) -> float:
    return float(now.sum()) / max(float(then.sum()), 1e-6)
