"""The command line: which commands there are, and the process's way into them.

Nothing heavy is imported before a command needs it: `nmt --help` never loads torch.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from nmt import judging_commands as judging
from nmt import options, process
from nmt import training_commands as training
from nmt import translating_commands as translating

if TYPE_CHECKING:
    from nmt.warm import ModelCache

app = typer.Typer(
    name="nmt",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Train, use and judge your own neural machine translation model.",
)


def main() -> None:
    """The process's way in."""
    process.begin()
    sys.exit(run(sys.argv[1:]))


def run(words: Sequence[str], models: ModelCache | None = None) -> int:
    """Run a command and return its exit code.

    Args:
        models: in a warm process, what it has read for the commands before this one.
    """
    return process.run(app, process.Command(words, models))


@app.callback(invoke_without_command=True)
def root(
    version: options.Version = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Train, use and judge your own neural machine translation model."""
    if version:
        from nmt import __version__

        print(f"nmt {__version__}")
        raise typer.Exit


@app.command(hidden=True)
def keep_warm(place: Path, idle: float) -> None:
    """What --keep-warm leaves behind: answers calls of nmt translate."""
    from nmt import warm

    warm.serve(place, idle, run)


for command in (
    training.prepare,
    training.train,
    training.curve,
    training.average,
    translating.translate,
    translating.sample,
    translating.score,
    judging.evaluate,
    translating.tune,
    judging.diagnose,
    judging.info,
):
    app.command()(command)
