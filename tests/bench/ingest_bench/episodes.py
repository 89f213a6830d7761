"""What the nodes of the bench say: alert revisions and statuses as the bytes of the contract.

Texts are filled into templates: making the models of the contract costs more than the centre takes for them. The bench
reads the first of each kind with the contract before it begins (`check_templates`).
"""

from __future__ import annotations

import hashlib
import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from tests.bench.ingest_bench.city import CAMERAS_PER_NODE, NODES, camera_ids_of, node_id_of
from xueliang_alerts.contract import Alert, alert_id_of, read_message, read_status, to_bytes

REVISIONS: Final = ("raised", "updated", "cleared")
HAZARDS: Final = ("fire_lane_obstruction", "illegal_parking", "crowd", "intrusion", "debris_on_road")
BOOT: Final = uuid.UUID("22222222-2222-4222-8222-222222222222")
_DWELL: Final = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Episode:
    """One hazard at one camera. `camera`: number within its node."""

    node: int
    camera: int
    hazard: str
    severity: int
    began_at: datetime

    @property
    def spool_id(self) -> uuid.UUID:
        return spool_of(self.node)


def spool_of(node: int) -> uuid.UUID:
    return uuid.uuid5(BOOT, node_id_of(node))


def episodes(rng: random.Random, began_at: datetime) -> Iterator[Episode]:
    """Without end, each at a camera of its own until all have had one, a microsecond apart."""
    places = [(node, camera) for node in range(NODES) for camera in range(CAMERAS_PER_NODE)]
    number = 0
    while True:
        rng.shuffle(places)
        for node, camera in places:
            number += 1
            severity = rng.choice((2, 3, 3, 4))
            yield Episode(node, camera, rng.choice(HAZARDS), severity, began_at + timedelta(microseconds=number))


def at_text(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def message(episode: Episode, phase: str, sequence: int, now: datetime) -> bytes:
    """One revision of an episode as its node writes it into record `sequence` at `now`."""
    revision = REVISIONS.index(phase) + 1
    camera_id, rule_id = camera_ids_of(episode.node)[episode.camera], episode.hazard.replace("_", "-")
    alert_id = alert_id_of(episode.spool_id, camera_id, rule_id, episode.began_at)
    is_end = phase == "cleared"
    seen = at_text(now)
    end = '"end_reason":"seen_clear",' if is_end else ""
    ended = f'"ended_at":"{seen}",' if is_end else ""
    still = hashlib.sha256(f"{alert_id}{phase}".encode()).hexdigest()
    kind = {"raised": "onset", "updated": "confirm", "cleared": "end"}[phase]
    return (
        f'{{"schema_version":1,"node_id":"{node_id_of(episode.node)}","spool_id":"{episode.spool_id}",'
        f'"sequence":{sequence},"boot_id":"{BOOT}","emitted_at":"{seen}","body":{{"kind":"alert",'
        f'"alert_id":"{alert_id}","revision":{revision},"phase":"{phase}",{end}"camera_id":"{camera_id}",'
        f'"hazard":"{episode.hazard}","rule_id":"{rule_id}","rule_version":1,"severity":{episode.severity},'
        f'"began_at":"{at_text(episode.began_at)}","raised_at":"{at_text(episode.began_at + _DWELL)}",'
        f'"observed_at":"{seen}",{ended}"clock_state":"synchronised","model_digest":"{"ab" * 32}",'
        f'"confidence":0.81,"boxes_xyxyn":[[0.1,0.2,0.3,0.4],[0.5,0.2,0.7,0.4]],"frame_size_wh":[1920,1080],'
        f'"measures":{{"share":{{"value":0.41,"unit":"share"}},"dwell":{{"value":63.0,"unit":"s"}}}},'
        f'"reason":{{"code":"lane_{"clear" if is_end else "blocked"}","text":"lane 41 % covered by truck for 63 s",'
        f'"about":{{"class":"truck"}}}},"evidence":[{{"sha256":"{still}","kind":"{kind}","bytes":84211}}],'
        f'"drill":false}}}}'
    ).encode()


def status(node: int, last_sequence: int, pending: int, now: datetime) -> bytes:
    """What a node says of itself every half minute, with its sixteen cameras."""
    at = at_text(now)
    empty = "" if pending else f'"backlog_empty_since":"{at}",'
    since = now.strftime("%Y-%m-%dT00:00:00Z")
    watched = ",".join(
        f'{{"camera_id":"{camera_id}","state":"watching","since":"{since}","achieved_gap_s":3.96}}'
        for camera_id in camera_ids_of(node)
    )
    return (
        f'{{"schema_version":1,"node_id":"{node_id_of(node)}","state":"online","boot_id":"{BOOT}",'
        f'"spool_id":"{spool_of(node)}","at":"{at}","software":"bench","last_sequence":{last_sequence},'
        f'"backlog_records":{pending},{empty}"clock_state":"synchronised","cameras":[{watched}],'
        f'"counters":{{"spool_accepted":{last_sequence}}}}}'
    ).encode()


def check_templates(now: datetime) -> None:
    """What the templates give is what the contract writes. Raises NotUnderstood, AssertionError."""
    episode = next(episodes(random.Random(0), now - 2 * _DWELL))
    for sequence, phase in enumerate(REVISIONS, start=1):
        payload = message(episode, phase, sequence, now)
        read = read_message(payload)
        assert isinstance(read.body, Alert)
        assert to_bytes(read) == payload, to_bytes(read)
    payload = status(3, 7, 0, now)
    assert to_bytes(read_status(payload)) == payload, to_bytes(read_status(payload))
