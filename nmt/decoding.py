"""From what a command asks of a search to a translator that does it; every refusal stands here.

The mirror of `nmt.recipe`. A `Request` is plain data, and `check` needs neither torch nor a model:
who has a warm process do the work is refused without loading either.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nmt.choices import (
    AlignmentUnit,
    DeviceName,
    Format,
    Mean,
    MetricName,
    PrecisionChoice,
    Task,
)
from nmt.errors import SettingsError

if TYPE_CHECKING:
    from nmt.channel import NoisyChannel
    from nmt.checkpoint import Trained
    from nmt.config import Settings
    from nmt.formats import Layout
    from nmt.translate import Translator
    from nmt.warm import ModelCache

_DRAWS = 64  # of each line, for minimum Bayes risk


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a command asks for; None: the run's own value, or the default."""

    runs: Sequence[Path]
    mean: Mean | None = None  # of several runs
    precision: PrecisionChoice = "auto"
    device: DeviceName = "auto"
    threads: int | None = None
    beam: int | None = None
    length_penalty: float | None = None
    assignments: Sequence[str] = ()  # translate.KEY=VALUE
    n_best: int = 1
    sample: bool = False
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    seed: int | None = None
    mbr: bool = False
    utility: MetricName | None = None  # of minimum Bayes risk
    channel: Path | None = None  # a run of the other direction
    lm: Path | None = None
    weights: str | None = None  # of these two
    prefixed: bool = False  # lines have a second column, with what their translations begin with
    terms: Path | None = None
    format: Format = "text"
    alignments: bool = False
    subword_alignments: bool = False
    attention_plot: Path | None = None
    replace_unknown: bool = False
    flag_below: float | None = None

    @property
    def draws(self) -> dict[str, Any]:
        """How to draw, as far as it is asked for."""
        names = ("temperature", "top_k", "top_p", "seed")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}

    @property
    def reranked(self) -> bool:
        """Whether other models have a say."""
        return self.channel is not None or self.lm is not None

    @property
    def watched(self) -> bool:
        """Whether it cannot be done without attention."""
        aligned = self.alignments or self.subword_alignments
        return aligned or self.replace_unknown or self.attention_plot is not None

    @property
    def layout(self) -> Layout:
        """How the translations are written."""
        from nmt.formats import Layout

        align: AlignmentUnit = "words" if self.alignments else "none"
        align = "subwords" if self.subword_alignments else align
        return Layout(self.format, self.n_best, align, self.flag_below)


def runs_of(text: str) -> list[Path]:
    """`RUN`, or `RUN1,RUN2,…`; a folder whose own name has a comma is one run."""
    names = [text] if text and Path(text).exists() else text.split(",")
    if not all(names):
        raise SettingsError(
            f"'{text}' leaves out the name of a run", "give RUN, or RUN1,RUN2 with nothing between"
        )
    return [Path(name) for name in names]


def check(request: Request) -> None:
    """Refuse what cannot be asked for together, whatever the model.

    Raises:
        SettingsError: two options clash, or one needs another.
    """
    for name in request.draws if not request.sample else ():
        raise SettingsError(f"--{name.replace('_', '-')} needs --sample")
    _refuse(request.utility is not None and not request.mbr, "--utility needs --mbr")
    _refuse(
        request.weights is not None and not request.reranked, "--weights needs --channel or --lm"
    )
    _refuse(
        request.reranked and request.mbr,
        "--mbr and --channel or --lm both choose among the candidates",
        "leave one of them out",
    )
    _refuse(
        request.reranked and request.replace_unknown,
        "--replace-unknown fills words in that --channel and --lm should have seen",
        "leave one of them out",
    )
    _refuse(
        request.mean is not None and len(request.runs) == 1,
        "--ensemble says how several runs decide together, and there is one",
        "name them RUN1,RUN2, or leave it out",
    )
    _refuse(
        request.alignments and request.subword_alignments,
        "--alignments and --subword-alignments share one place",
        "leave one of them out",
    )
    aligned = request.alignments or request.subword_alignments
    for what, asked in (("alignments", aligned), ("marks", request.flag_below is not None)):
        _refuse(
            asked and request.format == "text",
            f"plain text has no place for {what}",
            "use --format tsv or jsonl",
        )
    for option, is_given in (("--prefix-column", request.prefixed), ("--terms", request.terms)):
        _refuse(
            request.replace_unknown and bool(is_given),
            f"--replace-unknown would change what {option} asks for",
            f"leave it or {option} out",
        )
    _refuse(
        request.sample and request.terms is not None,
        "--terms are searched for, not drawn",
        "leave --sample or --terms out",
    )
    if request.attention_plot and str(request.attention_plot) != "-":
        from nmt.picture import refuse_unknown_kind

        refuse_unknown_kind(request.attention_plot)


def load_runs(
    request: Request, models: ModelCache | None = None, task: Task | None = "translation"
) -> list[Trained]:
    """Read the runs, or take those that a warm process has read already.

    Args:
        task: what they must have learned; None: anything, but all of them the same.

    Raises:
        NmtError: a run cannot be read, or has learned something else.
    """
    from nmt.checkpoint import Run, load
    from nmt.device import open_device

    place = open_device(request.device, request.threads).torch
    runs = []
    for run in request.runs:
        read = partial(load, run, place)
        found = read() if models is None else models.recall(run, read)
        runs.append(replace(found, run=Run(run)))  # as it is called here and now
        refuse_other_task(runs[-1], task or runs[0].task)
    return runs


def refuse_other_task(trained: Trained, task: Task) -> None:
    """Raises RunError when a run has learned something else."""
    from nmt.errors import RunError

    run = trained.run.path
    if trained.task == task:
        return
    if task == "translation":
        raise RunError(
            f"{run}: is a language model, and does not translate",
            f"nmt sample {run} draws lines from it; nmt score and nmt evaluate judge text by it",
        )
    raise RunError(
        f"{run}: translates, and is no language model",
        f"nmt train --task lm makes one; nmt translate {run} --sample draws translations",
    )


def is_language_model(word: str) -> bool:
    """Whether a word of a command line names a run that is a language model."""
    from nmt.checkpoint import Run, read_config

    run = Run(Path(word))
    return run.config.is_file() and read_config(run).data.task == "lm"


def load_channel(
    request: Request, members: Sequence[Trained], models: ModelCache | None = None
) -> NoisyChannel | None:
    """The models that have a say beside the direct ones, and with what weights; None: there are
    none.

    Raises:
        NmtError: a run cannot be read, has learned something else, or is of other languages.
    """
    from nmt import channel

    if not request.reranked:
        return None
    direct = members[0]

    def scorer(run: Path | None, task: Task) -> Translator | None:
        if run is None:
            return None
        alone = Request(
            runs=[run], precision=request.precision, device=request.device, threads=request.threads
        )
        (trained,) = load_runs(alone, models, task)
        _refuse_languages(direct, trained)
        return make_translator(alone, [trained])

    reverse, language = scorer(request.channel, "translation"), scorer(request.lm, "lm")
    names = channel.features_with(channel=reverse is not None, lm=language is not None)
    weighing = channel.stored(direct.run.channel, names)
    if request.weights is not None:
        weighing = channel.given(request.weights, weighing)
    return channel.NoisyChannel(reverse, language, weighing)


def _refuse_languages(direct: Trained, other: Trained) -> None:
    """A model of other languages knows nothing of these translations."""
    from nmt.corpus import same_language

    if direct.manifest.languages is None or other.manifest.languages is None:
        return
    run, (source, target) = other.run.path, direct.manifest.languages
    first, second = other.manifest.languages
    if other.task == "lm":
        _refuse(
            not same_language(second, target),
            f"{run} is a language model of {second}, and {direct.run.path} writes {target}",
            f"--lm wants one of {target}",
        )
        return
    _refuse(
        not (same_language(first, target) and same_language(second, source)),
        f"{run} translates {first}-{second}, and {direct.run.path} {source}-{target}",
        f"--channel wants a run of the other direction: {target}-{source}",
    )


def make_translator(
    request: Request, members: Sequence[Trained], channel: NoisyChannel | None = None
) -> Translator:
    """What searches as requested: one run, or several of which the first one's settings count.

    Args:
        channel: what ranks the candidates (`load_channel`).

    Raises:
        NmtError: these models, or their settings, do not allow it.
    """
    from nmt.device import give_back_freed_memory
    from nmt.ensemble import ensemble_of
    from nmt.inference import precision_for
    from nmt.metrics import METRICS
    from nmt.search import Sampling, SearchOptions
    from nmt.terms import Terminology
    from nmt.translate import Translator

    first = members[0]
    settings = _settings(request, members, channel)
    _check_models(request, members, settings)
    several = len(members) > 1
    translator = Translator(
        ensemble_of(members, request.mean or "probabilities") if several else first.model,
        first.vocabulary,
        SearchOptions.of(
            settings.translate,
            attention=request.watched or request.format == "jsonl",
            unknown=request.replace_unknown,
            best=0 if channel else request.n_best,
            prune=request.n_best == 1 and not (channel or request.mbr),
            sampling=Sampling(**request.draws) if request.sample else None,
        ),
        settings.data.max_length,
        precision_for([member.model for member in members], request.precision),
        Terminology.read(request.terms) if request.terms else None,
        METRICS[request.utility or "chrf"] if request.mbr else None,
        channel,
    )
    give_back_freed_memory()  # a model is read and laid out once, in several times its size
    return translator


def described(
    request: Request, members: Sequence[Trained], channel: NoisyChannel | None = None
) -> str:
    """How that searches, in a few words: its beam, what is not as by default, its arithmetic, and
    what ranks its candidates."""
    from dataclasses import asdict

    from nmt.config import TranslateSettings
    from nmt.inference import precision_for

    asked = asdict(_settings(request, members, channel).translate)
    usual = asdict(TranslateSettings()) | {"beam": None}
    other = [
        f"{key} {value}".replace("_", " ") for key, value in asked.items() if value != usual[key]
    ]
    other.append(precision_for([m.model for m in members], request.precision))
    rankers = {"reverse model": request.channel, "language model": request.lm}
    other += [name for name, run in rankers.items() if run]
    return ", ".join([*other, f"ranked by {channel.weighing}"] if channel else other)


def _settings(
    request: Request, members: Sequence[Trained], channel: NoisyChannel | None
) -> Settings:
    """Those of the first run, with the beam that the channel's weights were found for, if any, and
    with what is asked for."""
    from nmt.config import flat, settings_from

    tuned = {"translate.beam": channel.weighing.beam} if channel and channel.weighing.beam else {}
    return settings_from(flat(members[0].settings), tuned, _asked(request))


def _asked(request: Request) -> Mapping[str, Any]:
    """The settings of [translate] that are asked for; an option of its own wins over --set."""
    from nmt.config import layer_from_assignments

    draws = max(request.n_best, _DRAWS if request.mbr else 1)
    drawn = {"translate.beam": draws, "translate.groups": 1} if request.sample else {}
    options = {
        "translate.beam": request.beam,
        "translate.length_penalty": request.length_penalty,
    }
    named = {key: value for key, value in options.items() if value is not None}
    return drawn | layer_from_assignments(request.assignments, "translate") | named


def _check_models(request: Request, members: Sequence[Trained], settings: Settings) -> None:
    """Refuse what these models or their settings do not allow."""
    for member in members:
        _refuse(
            request.watched and member.model.attention is None,
            f"{member.run.path}: this model has no attention, and so no alignments",
            "train one with model.attention = 'dot', say",
        )
    beam, groups = settings.translate.beam, settings.translate.groups
    for option, given in (("--sample", request.sample), ("--terms", request.terms is not None)):
        _refuse(
            given and groups > 1,
            f"{option} cannot be used with translate.groups = {groups}",
            "set translate.groups to 1",
        )
    _refuse(
        request.n_best > beam,
        f"--n-best {request.n_best} is more than --beam {beam}",
        f"use --beam {request.n_best}",
    )


def _refuse(clash: bool, message: str, advice: str = "") -> None:
    if clash:
        raise SettingsError(message, advice)
