"""What the words of a command line name: settings, corpora, numbers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from nmt.errors import SettingsError

if TYPE_CHECKING:
    from nmt.choices import Task
    from nmt.corpus import Corpus


def asked(
    config: Path | None,
    assignments: list[str] | None,
    preset: str | None,
    seed: int | None,
    budget: str | None,
    task: Task | None,
) -> dict[str, Any]:
    """The settings that a command names, by dotted key; a later source wins."""
    from nmt import config as c

    settings: dict[str, Any] = {}
    if preset:
        settings |= c.layer_from_preset(preset)
    if config:
        settings |= c.layer_from_file(config)
    settings |= c.layer_from_assignments(assignments or [])
    if task is not None:
        settings["data.task"] = task
    if seed is not None:
        settings["train.seed"] = seed
    if budget is not None:
        settings["train.budget"] = c.seconds_from(budget)
    return settings


def opened(words: list[str], langs: str | None, task: Task) -> Corpus:
    """The pairs, or for a language model the text, that files and datasets hold."""
    from nmt.corpus import open_corpus, open_text

    return open_text(words, langs) if task == "lm" else open_corpus(words, langs)


def corpus(words: list[str], langs: str | None, task: Task = "translation") -> Corpus:
    """The pairs or the text to judge on: of a prepared folder, its validation pairs."""
    from nmt.manifest import Manifest
    from nmt.prepare import PreparedPairs, is_prepared

    folder = Path(words[0])
    if len(words) == 1 and is_prepared(folder):
        manifest = Manifest.load(folder)
        if manifest.task == "lm" != task:
            raise SettingsError(f"{folder}: holds text of one language, and no pairs")
        return PreparedPairs(str(folder), manifest.languages, folder)
    return opened(words, langs, task)


def corpora(
    words: list[str], valid: list[str] | None, langs: str | None, task: Task
) -> tuple[Corpus | Path, Corpus | None]:
    """What to train on (a folder if it is a prepared one), and what `--valid` names."""
    from nmt.prepare import is_prepared

    folder = Path(words[0])
    if len(words) > 1 or not is_prepared(folder):
        return opened(words, langs, task), corpus(valid, langs, task) if valid else None
    if valid:
        raise SettingsError(f"{folder} has validation pairs of its own", "leave --valid out")
    return folder, None


def texts_of(prepared: Path) -> tuple[Corpus, Corpus]:
    """The training and the validation pairs of a prepared folder, as text."""
    from nmt.manifest import Manifest
    from nmt.prepare import PreparedPairs

    name, languages = prepared.resolve().name, Manifest.load(prepared).languages
    train, valid = (PreparedPairs(name, languages, prepared, part) for part in ("train", "valid"))
    return train, valid


def numbers(text: str, option: str) -> list[int]:
    """`1,2,5`, which an option was given.

    Raises:
        SettingsError: it is something else.
    """
    if not all(word.strip().isdecimal() and int(word) for word in text.split(",")):
        raise SettingsError(f"{option} {text}: no list of numbers above 0", "write 1,2,5, say")
    return [int(word) for word in text.split(",")]
