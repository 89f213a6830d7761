"""One message as a CAP 1.2 document (pure).

Invariants
    - Only the tables of `words`, names of areas, numbers and the operator's own settings leave: no text that a node, a
      worker or a resident has written, no camera, no picture, no name of a person.
    - Times are whole seconds of UTC, written "-00:00" as CAP asks; places are "latitude,longitude" in WGS84.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from xml.etree import ElementTree  # writes only

from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry

from xueliang_alerts.contract import Hazard, Severity
from xueliang_central.areas.tree import Area
from xueliang_central.cap import words
from xueliang_central.cap.deciding import Facts, MessageType, Phase
from xueliang_configs.sharing import Sharing

NAMESPACE: Final = "urn:oasis:names:tc:emergency:cap:1.2"
MEDIA_TYPE: Final = "application/cap+xml"
MOST_POINTS: Final = 200  # of an outline; a county's border has tens of thousands, and a receiver draws a small map
_COARSER: Final = 2.0
_FINEST_DEGREES: Final = 1e-5  # about a metre
_NOT_XML: Final = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True, slots=True)
class Message:
    """What one document says.

    Attributes:
        number: of the incident: the same in all of its messages.
        areas: from the root to the incident's own.
        references: "sender,identifier,sent" of the earlier ones in force; empty for an Alert.
        web: page of the incident for those who may see it; None: the centre has no address of its own.
    """

    identifier: str
    number: str
    message_type: MessageType
    facts: Facts
    sent_at: datetime
    began_at: datetime
    expires_at: datetime
    areas: Sequence[Area]
    references: Sequence[str] = ()
    web: str | None = None


def at_text(at: datetime) -> str:
    """ "2026-11-23T04:00:00-00:00"."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S-00:00")


def status_of(facts: Facts, sharing: Sharing) -> str:
    if facts.drill:
        return "Exercise"
    return "Test" if sharing.trial else "Actual"


def document_of(message: Message, sharing: Sharing) -> str:
    """The XML text, valid against the schema of CAP 1.2."""
    root = ElementTree.Element("alert", {"xmlns": NAMESPACE})
    facts = message.facts
    _add(root, "identifier", message.identifier)
    _add(root, "sender", sharing.sender)
    _add(root, "sent", at_text(message.sent_at))
    _add(root, "status", status_of(facts, sharing))
    _add(root, "msgType", message.message_type.value)
    _add(root, "scope", sharing.scope.capitalize())
    if sharing.scope == "restricted":
        _add(root, "restriction", sharing.restriction)
    if sharing.scope == "private":
        _add(root, "addresses", " ".join(sharing.addresses))
    if notes := _notes(message):
        _add(root, "note", "; ".join(notes))
    if message.references:
        _add(root, "references", " ".join(message.references))
    _add(root, "incidents", message.number)
    for language in (words.CHINESE, words.ENGLISH):
        _info(root, message, sharing, language)
    text = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _notes(message: Message) -> list[str]:
    """CAP wants the name of an exercise there, and what is wrong with what is taken back."""
    notes = [f"exercise {message.number}"] if message.facts.drill else []
    if message.message_type is MessageType.CANCEL:
        notes.append(words.WITHDRAWN_NOTES.get(message.facts.close_reason or "", "withdrawn"))
    return notes


def _info(root: ElementTree.Element, message: Message, sharing: Sharing, language: str) -> None:
    """The order of the elements is that of the schema."""
    facts = message.facts
    hazard, severity = Hazard(facts.hazard), Severity(facts.severity)
    is_chinese = language == words.CHINESE
    event = words.EVENT_OF[hazard][language]
    place = _place_words(message.areas, is_chinese=is_chinese)
    info = _add(root, "info")
    _add(info, "language", language)
    _add(info, "category", words.CATEGORY_OF[hazard])
    _add(info, "event", event)
    _add(info, "responseType", words.response_of(facts.phase, hazard))
    _add(info, "urgency", words.urgency_of(facts.phase, severity))
    _add(info, "severity", words.SEVERITY_OF[severity])
    _add(info, "certainty", _certainty(facts))
    _pair(info, "eventCode", "xueliang.hazard", hazard.value)
    _add(info, "effective", at_text(message.sent_at))
    _add(info, "onset", at_text(message.began_at))
    _add(info, "expires", at_text(message.expires_at))
    _add(info, "senderName", sharing.sender_name if is_chinese else sharing.sender_name_en)
    drill = words.DRILL_WORDS[language] if facts.drill else ""
    _add(info, "headline", f"{drill}{place}: {event}")
    _add(info, "description", f"{drill}{_description(facts, severity, event, place, language)}")
    if message.web is not None:
        _add(info, "web", message.web)
    if sharing.contact is not None:
        _add(info, "contact", sharing.contact)
    _pair(info, "parameter", "xueliang.severity", str(facts.severity))
    _pair(info, "parameter", "xueliang.phase", facts.phase.value)
    _area(info, message, sharing, place)


def _certainty(facts: Facts) -> str:
    """What is permitted, or told by another message, was there; only a false alarm was not."""
    if facts.phase is Phase.WITHDRAWN and facts.close_reason != "false_alarm":
        return "Observed"
    return words.CERTAINTY_OF[facts.phase]


def _description(facts: Facts, severity: Severity, event: str, place: str, language: str) -> str:
    colour, phase = words.SEVERITY_WORDS[severity][language], words.PHASE_WORDS[facts.phase][language]
    if language == words.CHINESE:
        return f"{place}，{event}，{colour}等级；{phase}。"
    return f"{event}, severity {colour}, in {place}; {phase}."


def _place_words(areas: Sequence[Area], *, is_chinese: bool) -> str:
    if is_chinese:
        return "".join(area.name for area in areas)
    return ", ".join(area.name_en or area.name for area in reversed(areas))


def _area(info: ElementTree.Element, message: Message, sharing: Sharing, place: str) -> None:
    facts, own = message.facts, message.areas[-1]
    area = _add(info, "area")
    _add(area, "areaDesc", place)
    if facts.longitude is not None and facts.latitude is not None:
        _add(area, "circle", f"{facts.latitude:.5f},{facts.longitude:.5f} {sharing.radius_m / 1000:g}")
    else:
        for outline in outlines_of(own.polygon):
            _add(area, "polygon", outline)
    if len(own.code) >= 6:
        _pair(area, "geocode", "GBT2260", own.code[:6])
    _pair(area, "geocode", "AREACODE", own.code)


def outlines_of(polygon: BaseGeometry) -> list[str]:
    """Each part of an area as CAP's polygon: closed, "latitude,longitude" pairs, at most `MOST_POINTS`; holes are left
    out, so that what lies in one is rather told too much than too little. Empty without a polygon."""
    parts: Iterable[BaseGeometry] = getattr(polygon, "geoms", [polygon])
    return [_outline(part) for part in parts if isinstance(part, Polygon) and not part.is_empty]


def _outline(part: Polygon) -> str:
    ring: BaseGeometry = part.exterior
    tolerance = _FINEST_DEGREES
    while len(ring.coords) > MOST_POINTS:
        ring, tolerance = part.exterior.simplify(tolerance), tolerance * _COARSER
    return " ".join(f"{latitude:.5f},{longitude:.5f}" for longitude, latitude, *_ in ring.coords)


def _add(parent: ElementTree.Element, name: str, text: str | None = None) -> ElementTree.Element:
    child = ElementTree.SubElement(parent, name)
    if text is not None:
        child.text = _NOT_XML.sub("\ufffd", text)
    return child


def _pair(parent: ElementTree.Element, name: str, value_name: str, value: str) -> None:
    child = _add(parent, name)
    _add(child, "valueName", value_name)
    _add(child, "value", value)
