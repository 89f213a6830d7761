"""One bad file per rule, and exactly what its reader is told. `bad/X.yaml` is refused with the words of `bad/X.txt`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from xueliang_configs.errors import ConfigError
from xueliang_configs.loading import (
    load_areas,
    load_cameras,
    load_centre,
    load_lanes,
    load_node,
    load_policies,
    load_rules,
)

BAD = Path(__file__).parent / "bad"
FILES = sorted(path for path in BAD.iterdir() if path.suffix in (".yaml", ".geojson"))
LOADERS: dict[str, Callable[[Path], object]] = {
    "node": lambda path: load_node(path, {}),
    "centre": lambda path: load_centre(path, {}),
    "policies": load_policies,
    "cameras": load_cameras,
    "areas": load_areas,
    "lanes": load_lanes,
    "rules": load_rules,
}


def told(path: Path) -> str:
    """What the operator reads, with the folder left out."""
    with pytest.raises(ConfigError) as caught:
        LOADERS[path.stem.partition("_")[0]](path)
    return str(caught.value).replace(f"{path.parent}/", "") + "\n"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_bad_file_is_refused_with_these_words(path: Path) -> None:
    assert told(path) == path.with_suffix(".txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_refusal_shows_a_password(path: Path) -> None:
    assert "hunter2" not in told(path)
    assert "ter2" not in told(path)
