"""What the API answers to generated requests, by role: how many were asked, how many ended in a fault of the centre.

    ./run bench api            2,000 requests a role
    ./run bench api --full     20,000 requests a role
    ./run bench api --quick    400 requests a role
    ./run bench api --roles admin,worker         these alone; the rest is null

The requests are those of `tests/support/generated_requests.py`: made from the OpenAPI document by schemathesis, half of
them keep to it, half break it. Every answer is judged by the document; what is not as it says is printed.
"""

from __future__ import annotations

import argparse
import time
from typing import Final

from tests.bench.figures import Figures
from tests.support.asked_centre import asked_centre
from tests.support.generated_requests import Tally, ask_all, cases
from xueliang_central.rights.scope import Role

PER_ROLE: Final = 2_000
FULL_PER_ROLE: Final = 20_000
QUICK_PER_ROLE: Final = 400
SEED: Final = 20261127
_OF_A_ROLE: Final = ("requests", "5xx", "not_as_documented")
KEYS: Final = (
    *(f"{role.value}_{what}" for role in Role for what in _OF_A_ROLE),
    "requests",
    "5xx",
    "not_as_documented",
    "requests_per_s",
)


def add_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("api only")
    group.add_argument("--full", action="store_true", help=f"{FULL_PER_ROLE} requests a role")
    group.add_argument("--roles", type=_roles, metavar="LIST", default=tuple(Role), help="these alone")
    group.add_argument("--seed", type=int, default=SEED, metavar="N", help="other requests (%(default)d)")


def _roles(text: str) -> tuple[Role, ...]:
    return tuple(Role(name) for name in text.split(","))


def measure(options: argparse.Namespace, figures: Figures) -> None:
    """Fill in all keys."""
    wanted = FULL_PER_ROLE if options.full else QUICK_PER_ROLE if options.quick else PER_ROLE
    made = list(cases(wanted, options.seed))
    print(f"{len(made)} requests are made", flush=True)
    tallies: list[Tally] = []
    spent_s = 0.0
    for role in options.roles:
        with asked_centre() as asked:
            before = time.monotonic()
            tallies.append(ask_all(asked, role, made, options.seed))
            spent_s += time.monotonic() - before
        _show(tallies[-1], figures)
    requests = sum(tally.total for tally in tallies)
    figures["requests"] = requests
    figures["5xx"] = sum(tally.server_errors for tally in tallies)
    figures["not_as_documented"] = sum(tally.not_as_documented for tally in tallies)
    figures["requests_per_s"] = requests / spent_s


def _show(tally: Tally, figures: Figures) -> None:
    statuses = ", ".join(f"{status}: {count}" for status, count in sorted(tally.statuses.items()))
    print(f"{tally.role.value}: {tally.total} requests ({statuses})", flush=True)
    for kind, told in tally.wrong.items():
        print(f"  NOT AS DOCUMENTED {kind}\n    {told}")
    values = (tally.total, tally.server_errors, tally.not_as_documented)
    for what, value in zip(_OF_A_ROLE, values, strict=True):
        figures[f"{tally.role.value}_{what}"] = value
