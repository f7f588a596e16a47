"""A run's model card, RUN/README.md: what somebody should know who is handed the model.

It is written at the end of a training and after each evaluation, every time anew from the files
beside it, and never read again. It can be given to anybody: nothing in it names a person, a host or
a folder. What its author wants to add goes into RUN/NOTES.md, which it quotes.

The form is Markdown under a head of YAML, as the Hugging Face hub reads it
(https://huggingface.co/docs/hub/model-cards); what it tells follows Mitchell et al. 2019, "Model
Cards for Model Reporting".
"""

from __future__ import annotations

import contextlib
import json
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from nmt import __version__
from nmt.checkpoint import Run, read_config, read_header
from nmt.config import Settings, flat, shape
from nmt.curves import events
from nmt.errors import RunError
from nmt.files import write_text
from nmt.judgement import METRICS
from nmt.manifest import Counts, Manifest
from nmt.scoreboard import Evaluation, stored
from nmt.wording import counted, duration, public

_MARK = "<!-- written by nmt"
_LITTLE = 300_000  # pairs below which rare words are hardly learned


# --- the card -----------------------------------------------------------------------------------


def write(run: Run) -> bool:
    """Write RUN/README.md. One that is not ours stays as it is: then False is returned.

    Raises:
        RunError: the folder is no run with a model, or something in it cannot be read.
    """
    if not _is_ours(run):
        return False
    write_text(run.card, compose(run))
    return True


def remove(run: Run) -> None:
    """Remove the card of a model that is given up."""
    if _is_ours(run):
        run.card.unlink(missing_ok=True)


def _is_ours(run: Run) -> bool:
    try:
        return _MARK in run.card.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return True
    except OSError:
        return False


@dataclass(frozen=True)
class _Facts:
    """All that a card is made of."""

    settings: Settings
    manifest: Manifest
    parameters: int
    megabytes: float
    about: dict[str, Any]  # what stands in the head of the weights
    start: dict[str, Any]  # the log's first event
    last: dict[str, Any]  # ... and the last one with a time
    finished: bool
    evaluations: Sequence[Evaluation]
    notes: str

    @property
    def languages(self) -> tuple[str, str]:
        """As far as they are known; a language model has but the second."""
        return self.manifest.languages or ("the source language", "the target language")

    @property
    def translates(self) -> bool:
        return self.manifest.task == "translation"

    @property
    def trained_on(self) -> str:
        return counted(self.manifest.train.kept, self.manifest.unit)

    @property
    def averaged(self) -> Sequence[str]:
        """The weights that this model is the mean of; none for a trained one."""
        return tuple(self.about.get("averaged", ()))


def compose(run: Run) -> str:
    """The card's text, from what stands in the run's folder now.

    Raises:
        RunError: the folder is no run with a model, or something in it cannot be read.
    """
    facts = _gather(run)
    sections = (
        ("Scores", _scores(facts)),
        ("How to use it", _usage(facts)),
        ("Limits", _limits(facts)),
        ("Data", _data(facts)),
        ("Model", _model(facts)),
        ("Training", _training(facts)),
        ("Settings", _settings(facts)),
        ("Notes", [facts.notes] if facts.notes else []),
    )
    parts = [_front_matter(facts), f"{_MARK} {__version__} from the files beside it, and again "]
    parts[-1] += "after each evaluation; what is to stay goes into NOTES.md, which is quoted. -->"
    source, target = facts.languages
    title = f"Translation from {source} into {target}"
    parts += [f"# {title if facts.translates else f'A language model of {target}'}"]
    parts += [_summary(facts)]
    for title, blocks in sections:
        parts += [f"## {title}", *blocks] if blocks else []
    return "\n\n".join(parts) + "\n"


def body(card: str) -> str:
    """A card from its title on, for people: without the head of YAML and the comment."""
    _, _, told = card.partition("\n# ")
    return f"# {told}"


def _gather(run: Run) -> _Facts:
    settings = read_config(run)
    if not run.model.is_file():
        raise RunError(
            f"{run.path}: there are no weights in it yet, and so no card",
            "they appear with the first validation",
        )
    header = read_header(run.model)
    log: list[dict[str, Any]] = []
    with contextlib.suppress(RunError):  # an average has none
        log = list(events(run.log))
    notes = ""
    with contextlib.suppress(FileNotFoundError):
        notes = run.notes.read_text(encoding="utf-8", errors="replace").strip()
    timed = [event for event in log if event.get("seconds") is not None]
    return _Facts(
        settings=settings,
        manifest=Manifest.load(run.path),
        parameters=header.parameters,
        megabytes=run.model.stat().st_size / 1e6,
        about=header.about,
        start=next((event for event in log if event.get("event") == "start"), {}),
        last=timed[-1] if timed else {},
        finished=any(event.get("event") == "finished" for event in log),
        evaluations=stored(run),
        notes=notes,
    )


# --- the head -----------------------------------------------------------------------------------


def _front_matter(facts: _Facts) -> str:
    """YAML, every string of it quoted: `no` is a language."""
    known = [code for code in facts.manifest.languages or () if code]
    tag = "translation" if facts.translates else "text-generation"
    lines = ["---"]
    lines += _items("language", [code.partition("_")[0] for code in known])
    lines += ['library_name: "nmt"', f'pipeline_tag: "{tag}"']
    lines += _items("tags", [tag, "recurrent", facts.settings.model.cell])
    metrics = [metric for each in facts.evaluations for metric in _values(each)]
    lines += _items("metrics", list(dict.fromkeys(metrics)))
    if metrics:
        lines += ["model-index:", f'- name: "nmt-{"-".join(known) or "model"}"', "  results:"]
        lines += [line for each in facts.evaluations for line in _index(each, tag)]
    return "\n".join([*lines, "---"])


def _items(key: str, values: Sequence[str]) -> list[str]:
    return [f"{key}:", *(f"- {json.dumps(value)}" for value in values)] if values else []


def _values(evaluation: Evaluation) -> dict[str, float]:
    """What the hub is told; of a language model its perplexity."""
    if evaluation.perplexity_per_word is not None and evaluation.perplexity is not None:
        return {"perplexity": evaluation.perplexity}
    return {metric: score.score for metric, score in evaluation.scores.items()}


def _index(evaluation: Evaluation, task: str) -> list[str]:
    """An evaluation as an entry of the hub's model index."""
    name = json.dumps(evaluation.test_set)
    lines = ["  - task:", f'      type: "{task}"', "    dataset:"]
    lines += [f"      name: {name}", f"      type: {name}", "    metrics:"]
    for metric, value in _values(evaluation).items():
        lines += [
            f"    - type: {json.dumps(metric)}",
            f"      name: {json.dumps(METRICS.get(metric, metric))}",
        ]
        lines += [f"      value: {value:.2f}"]
    return lines


# --- the sections, each a list of Markdown blocks -----------------------------------------------


def _summary(facts: _Facts) -> str:
    model = facts.settings.model
    kind = "A recurrent language model"
    if facts.translates:
        attention = "without attention" if model.attention == "none" else "with attention"
        kind = f"A recurrent encoder–decoder {attention}"
    made = "the mean of several sets of weights" if facts.averaged else "trained from scratch"
    return (
        f"{kind} ({model.cell.upper()}, {facts.parameters / 1e6:.1f} million parameters), {made} "
        f"on {facts.trained_on} with `nmt` {facts.manifest.nmt}."
    )


def _scores(facts: _Facts) -> list[str]:
    return [*_on_test_sets(facts), *_on_validation(facts)] or ["None yet."]


def _on_test_sets(facts: _Facts) -> list[str]:
    if not facts.evaluations:
        return []
    metrics = [key for key in METRICS if any(key in e.scores for e in facts.evaluations)]
    last = "search" if facts.translates else "per word"
    header = ("test set", "lines", *(METRICS[key] for key in metrics), "perplexity", last)
    rows = [_score_row(each, metrics) for each in facts.evaluations]
    leaks = [
        _leaks(each)
        for each in facts.evaluations
        if each.leaks and (each.leaks.sources or each.leaks.targets)
    ]
    return [_table(header, rows), *([_list(leaks)] if leaks else []), *_reading(facts)]


def _on_validation(facts: _Facts) -> list[str]:
    if not {"bleu", "perplexity", "step"} <= facts.about.keys():
        return []
    bleu, likely, step = (facts.about[key] for key in ("bleu", "perplexity", "step"))
    quality = "" if bleu is None or math.isnan(bleu) else f"BLEU {bleu:.1f} with greedy search, "
    return [
        f"On {counted(facts.manifest.valid.kept, f'validation {facts.manifest.unit}')}, which "
        f"chose the weights (those of step {step:,}): {quality}perplexity {likely:.2f}."
    ]


def _reading(facts: _Facts) -> list[str]:
    """What the numbers of the table mean."""
    if not facts.translates:
        return [
            "Perplexity is per subword, the end of each line included, and per word or punctuation "
            "mark, by which models of other subwords can be compared."
        ]
    signatures = dict.fromkeys(
        f"{METRICS.get(key, key)} {_code(score.signature)}".replace("\\|", "|")  # in no table
        for each in facts.evaluations
        for key, score in each.scores.items()
    )
    known = (score for each in facts.evaluations for score in each.scores.values())
    sure = "± spans 95% of bootstrap resamples. " if any(score.interval for score in known) else ""
    return [f"{sure}Perplexity is per target subword. Signatures:", _list(signatures)]


def _score_row(evaluation: Evaluation, metrics: Sequence[str]) -> list[str]:
    found, likely = evaluation.scores, evaluation.perplexity
    scores = [found[key].shown if key in found else "" for key in metrics]
    test = [_code(evaluation.test_set), f"{evaluation.sentences:,}"]
    per_word = evaluation.perplexity_per_word
    last = evaluation.how if per_word is None else f"{per_word:.2f}"
    return [*test, *scores, "" if likely is None else f"{likely:.2f}", last]


def _leaks(evaluation: Evaluation) -> str:
    """How much of a test set the model has been trained on."""
    assert evaluation.leaks
    scores = [f"{METRICS.get(key, key)} {score:.2f}" for key, score in evaluation.unleaked.items()]
    without = f"; without these {', '.join(scores)}" if scores else ""
    return (
        f"Of {_code(evaluation.test_set)} the training corpus holds "
        f"{evaluation.leaks.sources:,} sources and {evaluation.leaks.targets:,} references, "
        f"{evaluation.leaks.pairs:,} as pairs{without}."
    )


def _usage(facts: _Facts) -> list[str]:
    source, target = facts.manifest.languages or ("source", "target")
    there = "This folder is all that is needed. With `nmt` installed, and `RUN` its path:"
    if not facts.translates:
        return [
            there,
            "```sh\nnmt sample RUN --count 5\nnmt score RUN lines.txt\n"
            "nmt evaluate RUN lines.txt\n```",
            "The first writes lines, the others say how likely lines are.",
        ]
    return [
        there,
        f"```sh\nnmt translate RUN < lines.{source} > lines.{target}\n"
        f"nmt evaluate RUN test.{source} test.{target}\nnmt info RUN\n```",
        "A line in, a line out, in UTF-8; `nmt translate --format jsonl` also says how sure the "
        "model is of a line, and what looks wrong with it.",
    ]


def _limits(facts: _Facts) -> list[str]:
    """What the model cannot do, as far as the facts tell."""
    manifest, settings = facts.manifest, facts.settings
    lengths = manifest.lengths["target"]
    little = "; that is little, so rare words, names and numbers are often wrong"
    limits = [
        f"It knows language from {facts.trained_on} alone{little * _is_little(manifest)}. Text of "
        "another kind than these it takes for something it is not, and gives no sign of it.",
        "What is wrong or one-sided in its corpus it has learned.",
        f"It sees one line at a time. Its training lines had {lengths['mean']:.0f} subwords on "
        f"average and {lengths['longest']:.0f} at most.",
        "Characters that its corpus does not have are unknown to it.",
    ]
    if facts.translates:
        limits = [*_limits_of_translating(facts), *limits]
    else:
        limits.append("What it writes reads like its corpus, and is made up.")
    if manifest.held_out:
        limits.append(
            f"Its validation {manifest.unit}s were held out of the training corpus: other text is "
            "harder."
        )
    if settings.data.task == "translation" and not facts.evaluations:
        limits.append(
            "No test set has been scored. Validation scores chose the weights, so they flatter."
        )
    if facts.start and not facts.finished:
        limits.append("Its training has not come to its end.")
    return [_list(limits)]


def _is_little(manifest: Manifest) -> bool:
    return manifest.train.kept < _LITTLE


def _limits_of_translating(facts: _Facts) -> list[str]:
    source, target = facts.languages
    limits = [
        f"It translates from {source} into {target}, one way. Whatever it reads it takes for "
        f"{source}.",
        "It can leave out, repeat and invent. That a translation reads well does not mean that it "
        "is right: where harm could come of it, somebody must read both sides.",
        f"A line of more than {facts.settings.data.max_length} subwords is cut, and its pieces are "
        "translated one by one.",
    ]
    if facts.settings.model.attention == "none":
        limits.append("Without attention it forgets: long sentences suffer most.")
    return limits


def _data(facts: _Facts) -> list[str]:
    manifest = facts.manifest
    rows = [_corpus_row(facts, part) for part in ("train", "valid")]
    left_out = [
        f"{part}: {count:,} left out, {why}"
        for part, counts in (("training", manifest.train), ("validation", manifest.valid))
        for why, count in counts.left_out.items()
    ]
    return [
        _table(("", "corpus", f"{manifest.unit}s", "SHA-256"), rows),
        *([_list(left_out)] if left_out else []),
        f"Subwords: SentencePiece {manifest.settings['subwords']}, {_subwords(facts)}.",
    ]


def _subwords(facts: _Facts) -> str:
    """How many there are, and how many a line has."""
    sizes, lengths = facts.manifest.vocabulary, facts.manifest.lengths
    source, target = (lengths[side]["mean"] for side in ("source", "target"))
    if not facts.translates:
        return f"{sizes['target']:,}; a line has {target:.1f} of them on average"
    what = f"{sizes['source']:,} for both languages together"
    if not facts.manifest.settings["joint_vocab"]:
        what = f"{sizes['source']:,} of the source, {sizes['target']:,} of the target"
    return f"{what}; a pair has {source:.1f} and {target:.1f} of them on average"


def _corpus_row(facts: _Facts, part: str) -> list[str]:
    manifest = facts.manifest
    counts: Counts = manifest.train if part == "train" else manifest.valid
    title = "training" if part == "train" else "validation"
    corpus = manifest.inputs.get(part)
    if corpus is None:
        return [title, "held out of the training corpus", f"{counts.kept:,}", ""]
    return [title, _code(public(corpus["name"])), f"{counts.kept:,}", _code(corpus["sha256"])]


def _model(facts: _Facts) -> list[str]:
    return [
        f"{shape(facts.settings).capitalize()}. {facts.parameters:,} parameters, "
        f"{facts.megabytes:.1f} MB, kept as float32 safetensors: reading it runs no code."
    ]


def _training(facts: _Facts) -> list[str]:
    if facts.averaged:
        files = ", ".join(_code(name) for name in facts.averaged)
        return [f"The mean of {counted(len(facts.averaged), 'set')} of weights: {files}."]
    if not facts.last:
        return []
    start, last, train = facts.start, facts.last, facts.settings.train
    tokens, processes = train.batch_tokens * train.accumulate, start.get("processes", 1)
    updates = f"{last.get('step', 0):,} updates of {tokens:,} target tokens"
    epochs = f" ({last['epoch']:.1f} epochs)" if "epoch" in last else ""
    end = f", until {last['reason']}" if "reason" in last else ""
    where = [start.get("machine", ""), start.get("device", "")]
    where += [f"{processes} processes"] if processes != 1 else []
    return [
        f"{updates}{epochs} by {train.optimizer}, in {train.precision}, seed {train.seed}{end}: "
        f"{duration(last['seconds'])} of wall clock, preparation and validation included.",
        f"Machine: {'; '.join(filter(None, where))}.",
    ]


def _settings(facts: _Facts) -> list[str]:
    """Those that are not the defaults; and why, where the corpus or the device suggested them."""
    mine, usual = flat(facts.settings), flat(Settings())
    why = {choice["key"]: choice["why"] for choice in facts.start.get("choices", ())}
    rows = [
        [_code(key), _code(mine[key]), _code(usual[key]), _cell(why.get(key, ""))]
        for key in mine
        if mine[key] != usual[key]
    ]
    if not rows:
        return ["All as by default."]
    return [_table(("setting", "value", "default", "why"), rows), "All others are the defaults."]


# --- Markdown -----------------------------------------------------------------------------------


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _list(points: Iterable[str]) -> str:
    return "\n".join(f"- {point}" for point in points)


def _code(value: object) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"`{_cell(text.replace('`', chr(39)))}`"


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", text).replace("|", "\\|")
