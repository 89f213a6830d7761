"""./run bench NAME [--json FILE] [--quick]: measurements, never pass or fail. What cannot be measured here is null."""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench import (
    api,
    areas,
    backtest,
    centre,
    console,
    detector,
    edge,
    folding,
    ingest,
    look,
    noise,
    observation_log,
    path,
    reports,
    rules,
)
from tests.bench.figures import Figures


@dataclass(frozen=True)
class Bench:
    """`measure(options, figures)` fills in what it can; every key is there from the start, as null."""

    keys: tuple[str, ...]
    measure: Callable[[argparse.Namespace, Figures], None]


BENCHES: dict[str, Bench] = {
    "api": Bench(api.KEYS, api.measure),
    "areas": Bench(areas.KEYS, lambda options, figures: areas.measure(options.quick, figures)),
    "backtest": Bench(backtest.KEYS, lambda options, figures: backtest.measure(options.quick, figures)),
    "centre": Bench(centre.KEYS, centre.measure),
    "console": Bench(console.KEYS, console.measure),
    "detector": Bench(detector.KEYS, lambda options, figures: detector.measure(options.quick, figures)),
    "edge": Bench(edge.KEYS, lambda options, figures: figures.update(edge.measure(options))),
    "folding": Bench(folding.KEYS, lambda options, figures: folding.measure(options.quick, figures)),
    "ingest": Bench(ingest.KEYS, ingest.measure),
    "log": Bench(observation_log.KEYS, lambda options, figures: observation_log.measure(options.quick, figures)),
    "look": Bench(look.KEYS, lambda options, figures: look.measure(options.quick, figures)),
    "noise": Bench(noise.KEYS, lambda options, figures: noise.measure(options.quick, figures)),
    "path": Bench(path.KEYS, lambda options, figures: path.measure(options.quick, figures)),
    "reports": Bench(reports.KEYS, lambda options, figures: reports.measure(options.quick, figures)),
    "rules": Bench(rules.KEYS, rules.measure),
}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="./run bench", description=__doc__)
    parser.add_argument("name", choices=sorted(BENCHES))
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write the figures as flat JSON, unit last in each key"
    )
    parser.add_argument("--quick", action="store_true", help="under 50 s with prepared inputs; the rest is null")
    edge.add_options(parser)
    rules.add_options(parser)
    ingest.add_options(parser)
    centre.add_options(parser)
    api.add_options(parser)
    console.add_options(parser)
    options = parser.parse_args(arguments)
    bench = BENCHES[options.name]
    figures: Figures = dict.fromkeys(bench.keys)
    bench.measure(options, figures)
    print(f"\n{platform.machine()} {platform.system()}, Python {platform.python_version()}")
    for key, value in figures.items():
        print(f"{key:40} {'not measured' if value is None else f'{value:.4g}'}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
