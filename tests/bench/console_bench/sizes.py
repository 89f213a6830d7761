"""How much JavaScript a page asks for, compressed as a proxy would (gzip, level 6)."""

from __future__ import annotations

import gzip
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlsplit

from tests.support.browser import CONSOLE_BUILD


def scripts_kb(addresses: Iterable[str], build: Path = CONSOLE_BUILD) -> float:
    """Kilobytes of 1,000 bytes; each file once."""
    paths = {urlsplit(address).path for address in addresses}
    files = [build / path.lstrip("/") for path in sorted(paths) if path.endswith(".js")]
    return sum(len(gzip.compress(file.read_bytes(), 6)) for file in files) / 1000
