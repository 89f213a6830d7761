"""What was told as an Atom feed (pure): the newest messages, each with a link to its document."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from xml.etree import ElementTree  # writes only

from xueliang_central.cap.document import MEDIA_TYPE
from xueliang_central.incidents.views import at_text

ATOM: Final = "http://www.w3.org/2005/Atom"
FEED_TYPE: Final = "application/atom+xml"
_ID: Final = "urn:xueliang:cap:"


def feed_of(rows: Sequence[dict[str, Any]], *, base: str, now: datetime) -> str:
    """Rows of `cap_messages`, newest first, without documents.

    Args:
        base: address of the documents: absolute where the centre has an address of its own, else a path.
        now: when nothing was told yet.
    """
    feed = ElementTree.Element("feed", {"xmlns": ATOM})
    _add(feed, "id", f"{_ID}feed")
    _add(feed, "title", "CAP 1.2")
    _add(feed, "updated", at_text(rows[0]["sent_at"] if rows else now) or "")
    for row in rows:
        entry = ElementTree.SubElement(feed, "entry")
        _add(entry, "id", f"{_ID}{row['identifier']}")
        _add(entry, "title", f"{row['status']} {row['message_type']}: {row['hazard']} {row['number']}")
        _add(entry, "updated", at_text(row["sent_at"]) or "")
        author = ElementTree.SubElement(entry, "author")
        _add(author, "name", row["area_code"])
        ElementTree.SubElement(entry, "link", {"href": f"{base}/{row['identifier']}", "type": MEDIA_TYPE})
    text = ElementTree.tostring(feed, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _add(parent: ElementTree.Element, name: str, text: str) -> None:
    ElementTree.SubElement(parent, name).text = text
