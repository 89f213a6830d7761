"""./run bench NAME [--json FILE] [--quick]: measurements, never pass or fail. What cannot be measured here is null."""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Callable, Mapping
from pathlib import Path

from tests.bench import detector, edge, path

Figures = Mapping[str, float | None]
BENCHES: dict[str, Callable[[argparse.Namespace], Figures]] = {
    "detector": lambda arguments: detector.measure(arguments.quick),
    "edge": edge.measure,
    "path": lambda arguments: path.measure(arguments.quick),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="./run bench", description=__doc__)
    parser.add_argument("name", choices=sorted(BENCHES))
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write the figures as flat JSON, unit last in each key"
    )
    parser.add_argument("--quick", action="store_true", help="under 50 s with prepared inputs; the rest is null")
    edge.add_options(parser)
    arguments = parser.parse_args()
    figures = BENCHES[arguments.name](arguments)
    print(f"\n{platform.machine()} {platform.system()}, Python {platform.python_version()}")
    for key, value in figures.items():
        print(f"{key:40} {'not measured' if value is None else f'{value:.4g}'}")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
