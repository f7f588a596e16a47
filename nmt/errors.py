"""Everything a user can cause to go wrong, as one small tree.

    NmtError             exit code 1, told in one or two lines
    ├── CorpusError      parallel text that cannot be read as it is
    ├── SettingsError    a setting that does not exist, or that clashes with another
    ├── RunError         a run's folder that is missing something, or is another's
    ├── TrainingError    a training that cannot go on
    └── ToldElsewhere    the same error as another process's, which tells it

A message says what is wrong, where (file, and line where there is one), and what to do next.
The command line catches `NmtError` in one place and prints it without a traceback.
"""

from __future__ import annotations

from pathlib import Path


class NmtError(Exception):
    """A mistake in what the user gave us, not in the program.

    `advice` is the second line of the message: the next thing to do.
    """

    def __init__(self, message: str, advice: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.advice = advice

    def __str__(self) -> str:
        return f"{self.message}\n{self.advice}" if self.advice else self.message


class CorpusError(NmtError):
    """Parallel text that cannot be read; names the file and, where there is one, the line."""

    def __init__(
        self,
        message: str,
        advice: str = "",
        *,
        path: Path | str | None = None,
        line: int | None = None,
    ) -> None:
        place = "" if path is None else f"{path}: " if line is None else f"{path}:{line}: "
        super().__init__(f"{place}{message}", advice)


class SettingsError(NmtError):
    """A setting that does not exist, has the wrong type, or clashes with another."""


class RunError(NmtError):
    """A run's folder that cannot be used as asked."""


class TrainingError(NmtError):
    """A training that cannot go on."""


class ToldElsewhere(NmtError):  # noqa: N818
    """Of several processes that cannot go on one tells why; the others end without a word."""
