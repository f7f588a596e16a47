"""From what `nmt evaluate` names to systems that have translated a test set: runs, ensembles, and
files of hypotheses."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from nmt.channel import NoisyChannel
from nmt.checkpoint import Trained, names_of, read_header
from nmt.config import flat
from nmt.corpus import Pair
from nmt.decoding import (
    Request,
    described,
    load_channel,
    load_runs,
    make_translator,
    runs_of,
)
from nmt.engine import Engine
from nmt.ensemble import ensemble_of
from nmt.errors import SettingsError
from nmt.evaluate import Submission
from nmt.files import replacing, to_json
from nmt.judgement import EvaluationSet
from nmt.perplexity import encode, perplexity, perplexity_of
from nmt.search import SearchOptions
from nmt.testsets import lines_for

Runs = tuple[Path, ...]
"""A system's: several decide together."""


@dataclass(frozen=True)
class File:
    """Translations that are there already."""

    name: str  # "" where none was given
    path: Path


@dataclass(frozen=True)
class Named:
    """What a command names."""

    systems: Sequence[Runs]
    corpus: list[str]
    files: Sequence[File]  # systems of their own
    instead: File | None  # stands for the translations of the only run


def sort_out(words: Sequence[str], hypotheses: Sequence[str], has_corpus: bool) -> Named:
    """`RUN... CORPUS...`: the words before the corpus that are runs, or RUN1,RUN2.

    A corpus is two words at most, so that what stands before them must be a run, there or not. A
    file of hypotheses without a name stands for the translations of the only run.

    Args:
        has_corpus: whether some words, perhaps none, are a corpus.

    Raises:
        SettingsError: a file of hypotheses needs a name.
    """
    named = [tuple(runs_of(word)) for word in words]
    count = len(words)
    if has_corpus:
        is_run = [all((run / "config.toml").is_file() for run in runs) for runs in named]
        leading = is_run.index(False) if False in is_run else len(words)
        count = max(leading, 0 if hypotheses else 1, len(words) - 2)
    files = [_file_of(text) for text in hypotheses]
    nameless = [file for file in files if not file.name]
    instead = nameless[0] if nameless and count else None
    if instead and (count > 1 or len(nameless) > 1):
        raise SettingsError(
            f"--hypotheses {nameless[-1].path}: of several systems each needs a name",
            f"write --hypotheses NAME={nameless[-1].path}",
        )
    others = [file for file in files if file is not instead]
    return Named(named[:count], list(words[count:]), others, instead)


def _file_of(text: str) -> File:
    """`NAME=FILE`, or FILE; a file whose own name has an equals sign is a file."""
    name, equals, file = text.partition("=")
    return File(name, Path(file)) if equals and not Path(text).exists() else File("", Path(text))


Tell = Callable[[NoisyChannel | None], None]
"""Is told what other models rank a system's candidates."""


def translated(
    test: EvaluationSet,
    named: Named,
    request: Request,
    warn: Callable[[str], None],
    tell: Tell,
) -> list[Submission]:
    """Each system with its translations, the runs first.

    Args:
        request: how the runs search.

    Raises:
        SettingsError: two systems have one name.
        NmtError: a run cannot be read or searched so, or a file has another number of lines.
    """
    names = _names(named)
    files = [(file.path, lines_for(file.path, len(test), "translation")) for file in named.files]
    submissions = []
    for name, runs in zip(names, named.systems, strict=False):
        mean = request.mean if len(runs) > 1 else None
        asked = replace(request, runs=runs, mean=mean)
        submissions.append(_run(name, test, asked, named.instead, warn, tell))
    for name, (_, lines) in zip(names[len(submissions) :], files, strict=True):
        submissions.append(Submission(name, lines))
    return submissions


def write(submissions: Sequence[Submission], place: Path) -> None:
    """Keep the translations: a system's in a file, those of several in a folder, by their names."""
    names = [_file_name(submission.name) for submission in submissions]
    for number, submission in enumerate(submissions):
        path = place
        if len(submissions) > 1:
            alike = names[:number].count(names[number])
            path = place / f"{names[number]}{f'-{alike + 1}' if alike else ''}.txt"
        with replacing(path) as beside:
            beside.write_bytes("".join(f"{line}\n" for line in submission.translations).encode())


def _file_name(name: str) -> str:
    """A system's name as any file system takes it."""
    return re.sub(r'[\x00-\x1f/\\:*?"<>|]', "-", name)


def _names(named: Named) -> list[str]:
    """Of every system; an ensemble's are its members'."""
    name_of = names_of(run for runs in named.systems for run in runs)
    names = ["+".join(name_of[run] for run in runs) for runs in named.systems]
    names += [file.name or file.path.name for file in named.files]
    for name in names:
        if names.count(name) > 1:
            raise SettingsError(
                f"two systems are called {name}",
                "name a run once, and files apart: --hypotheses NAME=FILE",
            )
    return names


def _run(
    name: str,
    test: EvaluationSet,
    request: Request,
    instead: File | None,
    warn: Callable[[str], None],
    tell: Tell,
) -> Submission:
    """A run's translations, or an ensemble's."""
    members = load_runs(request)
    alone = members[0] if len(members) == 1 else None
    weights = read_header(alone.run.model).checksum if alone else ""
    likely = _perplexity(members, test, request, warn)
    search = ""
    if instead:
        lines = lines_for(instead.path, len(test), "translation")
    else:
        channel = load_channel(request, members)
        tell(channel)
        search = described(request, members, channel)
        found = make_translator(request, members, channel).translate(list(test.sources))
        lines = [translation.text for translation in found]
    return Submission(
        name,
        lines,
        tuple(request.runs),
        likely,
        recipe=_recipe(alone) if alone and not alone.is_average else "",
        seed=alone.settings.train.seed if alone else 0,
        search=search,
        weights=weights,
    )


def _perplexity(
    members: Sequence[Trained], test: EvaluationSet, request: Request, warn: Callable[[str], None]
) -> float:
    """Of the first reference's subwords; nan if no pair has any."""
    first = members[0]
    pairs = [Pair(*pair) for pair in zip(test.sources, test.references[0], strict=True)]
    encoded = encode(pairs, first.vocabulary, first.settings.data.max_length)
    if encoded.left_out:
        warn(
            f"{encoded.left_out} pairs have an empty or a very long side: "
            "scored as they are, left out of perplexity"
        )
    if len(members) == 1:
        return perplexity(first.model, encoded.batches())
    together = ensemble_of(members, request.mean or "probabilities")
    options = SearchOptions.of(first.settings.translate)
    readings = together.readings(encoded.lines, encoded.sources)
    forced = (
        Engine(together, "fp32").force(encoded.sources, encoded.targets, options, readings)
        if encoded.sources
        else []
    )
    tokens = sum(len(each.ids) + 1 for each in forced)
    return perplexity_of(-sum(each.log_probability for each in forced), tokens)


def _recipe(trained: Trained) -> str:
    """What runs have in common that differ in nothing but the seed."""
    settings = {key: value for key, value in flat(trained.settings).items() if key != "train.seed"}
    return to_json({"settings": settings, "inputs": trained.manifest.inputs})
