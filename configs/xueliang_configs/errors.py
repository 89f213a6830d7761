"""What goes wrong with a settings file. No retry helps: a person must change the file, then it is read again.

ConfigsError
└── ConfigError     a file with one or more problems, all of them listed
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with a file, for the person who will mend it.

    Attributes:
        path: the file.
        key: where in it, for example "cameras.2.rules.0.zone"; empty for the file as a whole.
        text: what was expected and what came; never a secret.
        hint: what to write instead; may be empty.
        line: line in the file, from 1; None when it is not known.
    """

    path: Path
    key: str
    text: str
    hint: str = ""
    line: int | None = None

    @property
    def where(self) -> str:
        """File and line."""
        return f"{self.path}:{self.line}" if self.line else f"{self.path}"

    def __str__(self) -> str:
        first = f"{self.where}: {self.key}: {self.text}" if self.key else f"{self.where}: {self.text}"
        return f"{first}\n  hint: {self.hint}" if self.hint else first


class ConfigsError(Exception):
    """Root of this room's errors."""


class ConfigError(ConfigsError):
    """A file that cannot be used. Printed without a traceback; exit status 2. A retry helps only after an edit."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems
