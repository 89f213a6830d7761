"""Where makers usually put a camera's small stream beside its large one.

From the makers' own manuals on RTSP addresses: Hikvision (ISAPI channels, and the older form), Dahua, Uniview, TP-Link.
A guess is worth one connection to the same camera with the same login, and counts only when it opens.
"""

from __future__ import annotations

import re
from typing import Final

_LARGE_TO_SMALL: Final = (
    (re.compile(r"(/Streaming/[Cc]hannels/\d{1,3})01(?=$|[/?])"), r"\g<1>02"),
    (re.compile(r"(/h26[45]/ch\d+)/main/"), r"\g<1>/sub/"),
    (re.compile(r"(?<=[?&])subtype=0(?=$|&)"), "subtype=1"),
    (re.compile(r"(/media)/video1(?=$|[/?])"), r"\g<1>/video2"),
    (re.compile(r"/stream1(?=$|[/?])"), "/stream2"),
)


def usual_sub_url(url: str) -> str | None:
    """The address of the small stream that usually stands beside this one; None: this form is not known."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        return None
    login, at, place = rest.rpartition("@")  # never a part of a password
    for large, small in _LARGE_TO_SMALL:
        found, count = large.subn(small, place)
        if count == 1:
            return f"{scheme}://{login}{at}{found}"
    return None
