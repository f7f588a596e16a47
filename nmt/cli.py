"""The command line: one thin function per command. It parses, calls, and hands events on.

Nothing heavy is imported before a command needs it: `nmt --help` never loads torch.
"""

from __future__ import annotations

import contextlib
import errno
import gc
import io
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

from nmt.console import Console, print_table
from nmt.errors import CorpusError, NmtError, SettingsError

if TYPE_CHECKING:
    from nmt.checkpoint import Trained
    from nmt.config import TranslateSettings
    from nmt.corpus import Corpus
    from nmt.metrics import Metric
    from nmt.tensorboard import TensorBoardView
    from nmt.terms import Terminology
    from nmt.training import Training
    from nmt.translate import Translation, Translator
    from nmt.warm import Memory

_STARTED = time.monotonic()
_DRAWS = 64  # of each line, for --mbr with --sample
_PICTURES = 50  # of attention
console = Console()
app = typer.Typer(
    name="nmt",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Train, use and judge your own neural machine translation model.",
)


class DeviceName(StrEnum):
    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"
    mps = "mps"


class PrecisionName(StrEnum):
    auto = "auto"
    fp32 = "fp32"
    bf16 = "bf16"
    int8 = "int8"


class MeanName(StrEnum):
    probabilities = "probabilities"
    logits = "logits"


class MetricOption(StrEnum):
    chrf = "chrf"
    bleu = "bleu"


class FormatName(StrEnum):
    text = "text"
    tsv = "tsv"
    jsonl = "jsonl"


def _set_quiet(value: bool) -> bool:
    console.quiet = console.quiet or value
    return value


def _set_debug(value: bool) -> bool:
    console.debug = console.debug or value
    return value


RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder.")]
RunNames = Annotated[
    str, typer.Argument(metavar="RUN", help="A run's folder; several, RUN1,RUN2, as one model.")
]
RunFolders = Annotated[
    list[Path], typer.Argument(metavar="RUN...", help="A run's folder; several are compared.")
]
_CORPUS = typer.Argument(
    metavar="CORPUS...",
    help="Two aligned files, or one .tsv, .jsonl, .parquet, .tmx, .po or .xliff file, "
    "or hf:NAME[:SPLIT], or a folder that nmt prepare wrote.",
)
CorpusWords = Annotated[list[str], _CORPUS]
CorpusOrNone = Annotated[list[str] | None, _CORPUS]
Valid = Annotated[
    list[str] | None,
    typer.Option(
        "--valid",
        metavar="CORPUS",
        help="Validation pairs: a corpus; give it twice for two files.",
    ),
]
Langs = Annotated[
    str | None, typer.Option(metavar="SRC-TGT", help="Languages, for formats that hold several.")
]
ConfigFile = Annotated[
    Path | None, typer.Option("--config", metavar="FILE.toml", help="Settings from a file.")
]
Assignments = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="SECTION.KEY=VALUE", help="One setting; repeatable."),
]
Preset = Annotated[str | None, typer.Option(metavar="NAME", help="A named group of settings.")]
Seed = Annotated[int | None, typer.Option(min=0, help="Another seed, another training.")]
DeviceOption = Annotated[DeviceName, typer.Option("--device", help="Where to compute.")]
Threads = Annotated[int | None, typer.Option(min=1, help="CPU threads.")]
Beam = Annotated[int | None, typer.Option(min=1, help="Hypotheses searched at once; 1 is greedy.")]
LengthPenalty = Annotated[
    float | None, typer.Option(min=0, max=10, help="More for longer translations; 1: a mean.")
]
SearchAssignments = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="translate.KEY=VALUE", help="One setting of the search; repeatable."
    ),
]
KeepWarm = Annotated[
    str | None,
    typer.Option(
        metavar="TIME",
        envvar="NMT_KEEP_WARM",
        show_envvar=True,
        help="Leave a process behind that answers later calls at once, until none has come for "
        "so long: 10m, say; 0 ends it.",
    ),
]
Precision = Annotated[
    PrecisionName, typer.Option(help="Arithmetic of the search; auto: int8 where the CPU is apt.")
]
Output = Annotated[Path | None, typer.Option(metavar="FILE", help="Where the translations go.")]
Quiet = Annotated[
    bool,
    typer.Option("--quiet", "-q", callback=_set_quiet, help="Only warnings and errors on stderr."),
]
Debug = Annotated[bool, typer.Option(callback=_set_debug, help="Show tracebacks.")]


@app.callback(invoke_without_command=True)
def root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Train, use and judge your own neural machine translation model."""
    if version:
        from nmt import __version__

        print(f"nmt {__version__}")
        raise typer.Exit


@app.command()
def prepare(
    corpus: CorpusWords,
    out: Annotated[Path, typer.Option(metavar="DIR", help="The folder to write.")],
    valid: Valid = None,
    langs: Langs = None,
    config: ConfigFile = None,
    assignments: Assignments = None,
    preset: Preset = None,
    seed: Seed = None,
    threads: Threads = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Clean, learn subwords, encode; write Arrow tables and a manifest."""
    from nmt import recipe
    from nmt.console import PreparationView, show_manifest
    from nmt.corpus import open_corpus
    from nmt.files import locked

    asked = _asked(config, assignments, preset, seed, None)
    place = out.resolve()
    with (
        locked(place.parent / f".{place.name}.lock", str(out)),
        PreparationView(console) as view,
    ):
        manifest, choices = recipe.prepare(
            open_corpus(corpus, langs),
            _corpus(valid, langs) if valid else None,
            out,
            asked,
            threads or os.cpu_count() or 1,
            report=view.show,
        )
    for choice in choices:
        console.say(f"chosen: {choice.key} = {choice.value} ({choice.why})")
    show_manifest(console, manifest)
    console.say(f"prepared: {out}")


@app.command()
def train(
    corpus: CorpusWords,
    out: Annotated[Path, typer.Option(metavar="RUN", help="The run's folder.")],
    valid: Valid = None,
    langs: Langs = None,
    config: ConfigFile = None,
    assignments: Assignments = None,
    preset: Preset = None,
    budget: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Wall clock to fit the training to: 90s, 20m, 1h30m."),
    ] = None,
    seed: Seed = None,
    device: DeviceOption = DeviceName.auto,
    threads: Threads = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Start over, forgetting what is there.")
    ] = False,
    tensorboard: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Show the training to TensorBoard too, in DIR/RUN."),
    ] = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Train a model. The same command again goes on where it stopped."""
    from nmt.config import read

    asked = _asked(config, assignments, preset, seed, budget)
    read(asked)
    from nmt import recipe
    from nmt.console import PreparationView, TrainingView, show_beginning
    from nmt.device import open_device
    from nmt.distributed import join

    pairs, valid_pairs = _corpora(corpus, valid, langs)
    preparation = PreparationView(console)
    request = recipe.Request(asked, pairs, valid_pairs, out, fresh, preparation.show)
    place = open_device(device.value, threads)
    board = _board(tensorboard, out)
    with (
        preparation,
        join(place.torch.type == "cuda") as world,
        recipe.opened(request, place, _STARTED, world) as ready,
    ):
        preparation.stop()
        console.quiet = console.quiet or not world.first
        show_beginning(console, ready)
        progress = ready.training.progress
        if progress.finished:
            console.say(f"already finished: {progress.finished}; --fresh starts over")
            return
        views: list[TrainingView | TensorBoardView] = [TrainingView(console)]
        if board and world.first:
            views.append(board)
        with _stopping(ready.training) as stop, contextlib.ExitStack() as opened:
            for view in views:
                opened.enter_context(view)
            for event in ready.training.events():
                for view in views:
                    view.show(event)
    progress = ready.training.progress
    if not progress.finished:
        console.say(
            f"stopped and saved at step {progress.step:,}; to go on, run the same command again"
        )
        raise typer.Exit(128 + (stop[0] if stop else signal.SIGTERM))
    console.say(f"model: {out}; now try: nmt translate {out}")


@app.command()
def average(
    runs: Annotated[
        list[Path],
        typer.Argument(metavar="RUN...", help="Runs, or .safetensors files within runs."),
    ],
    out: Annotated[Path, typer.Option(metavar="NEW", help="The run to make.")],
    last: Annotated[int, typer.Option(min=1, help="How many of a run's last weights.")] = 3,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Average the last weights of runs (or files of weights) into a new run."""
    from nmt.checkpoint import average as average_weights

    files = average_weights(runs, out, last)
    console.say(f"averaged {len(files)}: {', '.join(map(str, files))}")
    console.say(f"model: {out}; now try: nmt evaluate {out} CORPUS...")


@app.command()
def translate(
    context: typer.Context,
    run: RunNames,
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="Lines to translate; stdin without it.")
    ] = None,
    ensemble: Annotated[
        MeanName, typer.Option(help="What of several runs is averaged.")
    ] = MeanName.probabilities,
    beam: Beam = None,
    length_penalty: LengthPenalty = None,
    assignments: SearchAssignments = None,
    n_best: Annotated[int, typer.Option(min=1, help="Candidates written for each line.")] = 1,
    format: Annotated[
        FormatName, typer.Option(help="tsv and jsonl carry scores.")
    ] = FormatName.text,
    alignments: Annotated[
        bool, typer.Option("--alignments", help="Which word stands for which; tsv and jsonl.")
    ] = False,
    subword_alignments: Annotated[
        bool, typer.Option("--subword-alignments", help="The same for subwords.")
    ] = False,
    attention_plot: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Draw where the model looked: .png, .svg or .pdf, FILE-2 for the second line, …; "
            "- draws it in the terminal, on stderr.",
        ),
    ] = None,
    flag_below: Annotated[
        float | None,
        typer.Option(metavar="SCORE", help="Mark what scores below; tsv gets a column of marks."),
    ] = None,
    replace_unknown: Annotated[
        bool,
        typer.Option(
            "--replace-unknown", help="Copy words that the vocabulary cannot spell from the source."
        ),
    ] = False,
    mbr: Annotated[
        bool,
        typer.Option("--mbr", help="Minimum Bayes risk: choose what is most like all candidates."),
    ] = False,
    utility: Annotated[
        MetricOption | None, typer.Option(help="Of --mbr: what likeness is.  [default: chrf]")
    ] = None,
    candidates: Annotated[
        int | None,
        typer.Option(
            min=2, help="Of --mbr: how many are compared; 64 draws of --sample, else the beam."
        ),
    ] = None,
    sample: Annotated[
        bool, typer.Option("--sample", help="Draw from the model instead of searching.")
    ] = False,
    temperature: Annotated[
        float | None, typer.Option(min=0.01, help="Of --sample: below 1 is more cautious.")
    ] = None,
    top_k: Annotated[
        int | None, typer.Option(min=1, help="Of --sample: only the likeliest so many subwords.")
    ] = None,
    top_p: Annotated[
        float | None,
        typer.Option(min=0.01, max=1.0, help="Of --sample: only the likeliest that make up this."),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Of --sample: another seed, other draws.")
    ] = None,
    min_length: Annotated[
        int | None, typer.Option(min=0, help="Subwords that a translation has at least.")
    ] = None,
    max_length: Annotated[
        int | None, typer.Option(min=1, help="Subwords that a translation has at most.")
    ] = None,
    no_repeat_ngram: Annotated[
        int | None, typer.Option(min=1, help="No run of so many subwords occurs twice.")
    ] = None,
    prefix_column: Annotated[
        bool,
        typer.Option("--prefix-column", help="Lines are SOURCE, TAB, how the translation begins."),
    ] = False,
    terms: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.tsv", help="SOURCE, TAB, TARGET: words that must be translated so."
        ),
    ] = None,
    output: Output = None,
    precision: Precision = PrecisionName.auto,
    device: DeviceOption = DeviceName.auto,
    threads: Threads = None,
    keep_warm: KeepWarm = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Translate lines: stdin (or FILE) to stdout."""
    this: _Command = context.obj
    if this.memory is None:
        answered = _by_a_warm_process(this, keep_warm, file, output, _runs(run), device, threads)
        if answered is not None:
            raise typer.Exit(answered)
    else:  # we are that process, whose caller opens the files
        file = output = None

    with _importing():
        from nmt.metrics import METRICS
        from nmt.picture import refuse_unknown_kind
        from nmt.search import Sampling
        from nmt.stream import Layout, translate_stream
        from nmt.terms import Terminology

    draws: dict[str, Any] = {
        "temperature": temperature,
        "top_k": top_k,
        "top_p": top_p,
        "seed": seed,
    }
    given = {name: value for name, value in draws.items() if value is not None}
    if given and not sample:
        raise SettingsError(f"--{next(iter(given)).replace('_', '-')} needs --sample")
    for name, value in (("utility", utility), ("candidates", candidates)):
        if value is not None and not mbr:
            raise SettingsError(f"--{name} needs --mbr")
    if candidates and beam:
        raise SettingsError("--candidates and --beam say the same here", "leave --beam out")
    aligned = alignments or subword_alignments
    for what, asked_for in (("alignments", aligned), ("marks", flag_below is not None)):
        if asked_for and format is FormatName.text:
            raise SettingsError(f"plain text has no place for {what}", "use --format tsv or jsonl")
    for option, given_words in (("--prefix-column", prefix_column), ("--terms", terms)):
        if replace_unknown and given_words:
            raise SettingsError(
                f"--replace-unknown would change what {option} asks for",
                f"leave it or {option} out",
            )
    if attention_plot and str(attention_plot) != "-":
        refuse_unknown_kind(attention_plot)
    watched = aligned or replace_unknown or attention_plot is not None
    members = [_load(folder, device, threads, this.memory) for folder in _runs(run)]
    for member in members:
        if watched and member.model.attention is None:
            raise SettingsError(
                f"{member.run.path}: this model has no attention, and so no alignments",
                "train one with model.attention = 'dot', say",
            )
    asked = _asked_of_search(
        assignments,
        beam=beam or candidates,
        length_penalty=length_penalty,
        min_length=min_length,
        max_length=max_length,
        no_repeat_ngram=no_repeat_ngram,
    )
    sampling = Sampling(**given) if sample else None
    if sample:
        draws_of_each = max(n_best, _DRAWS if mbr else 1)
        asked = {"translate.beam": draws_of_each, "translate.groups": 1} | asked
    terminology = Terminology.read(terms) if terms else None
    translator = _translator(
        members,
        asked,
        precision,
        ensemble.value,
        terminology,
        METRICS[utility.value if utility else "chrf"] if mbr else None,
        attention=watched or format is FormatName.jsonl,
        unknown=replace_unknown,
        best=0 if mbr else n_best,
        sampling=sampling,
    )
    if n_best > translator.options.beam:
        among = "--candidates" if candidates else "--beam"
        raise SettingsError(
            f"--n-best {n_best} is more than {among} {translator.options.beam}",
            f"use {among} {n_best}",
        )
    align: Literal["none", "words", "subwords"] = (
        "subwords" if subword_alignments else "words" if alignments else "none"
    )
    layout = Layout(format.value, n_best, align, flag_below)
    show = _show_attention(attention_plot) if attention_plot else None
    with _reading(file) as source, _writing(output) as sink:
        translate_stream(translator, source, sink, layout, console.warn, show, prefix_column)


@app.command(hidden=True)
def keep_warm(place: Path, idle: float) -> None:
    """What --keep-warm leaves behind: answers calls of nmt translate."""
    from nmt import warm

    warm.serve(place, idle, _run)


@app.command()
def score(
    run: RunNames,
    corpus: CorpusOrNone = None,
    langs: Langs = None,
    n_best: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Score the candidates that nmt translate wrote: a .jsonl, "
            "or a .tsv whose SOURCE file takes the place of CORPUS.",
        ),
    ] = None,
    length_penalty: LengthPenalty = None,
    assignments: SearchAssignments = None,
    tokens: Annotated[
        bool, typer.Option("--tokens", help="The log-probability of each subword too.")
    ] = False,
    format: Annotated[
        FormatName, typer.Option(help="text: log-probabilities; tsv and jsonl: ranks as well.")
    ] = FormatName.text,
    output: Output = None,
    precision: Precision = PrecisionName.auto,
    device: DeviceOption = DeviceName.auto,
    threads: Threads = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Say what log-probability a model gives to translations: a line for each pair."""
    from nmt.stream import candidates_of, scored_line

    if n_best and len(corpus or ()) > 1:
        raise SettingsError(f"{' '.join(corpus or ())}: --n-best takes one file of sources")
    if not n_best and not corpus:
        raise typer.BadParameter("give a CORPUS, or --n-best FILE")
    sources = Path(corpus[0]) if corpus else None
    pairs = candidates_of(n_best, sources) if n_best else _corpus(corpus or [], langs).pairs()
    asked = _asked_of_search(assignments, length_penalty=length_penalty)
    translator = _translator([_load(r, device, threads) for r in _runs(run)], asked, precision)
    with _writing(output) as sink:
        while block := list(islice(pairs, 2_000)):
            found = translator.score([p.source for p in block], [p.target for p in block])
            for pair, hypothesis in zip(block, found, strict=True):
                pieces = translator.vocabulary.target.pieces(hypothesis.ids) if tokens else None
                line = scored_line(pair.source, pair.target, hypothesis, pieces, format.value)
                sink.write(f"{line}\n".encode())


@app.command()
def evaluate(
    run: RunFolder,
    corpus: CorpusWords,
    langs: Langs = None,
    beam: Beam = None,
    length_penalty: LengthPenalty = None,
    assignments: SearchAssignments = None,
    hypotheses: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Score these translations instead.")
    ] = None,
    output: Output = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
    precision: Precision = PrecisionName.auto,
    device: DeviceOption = DeviceName.auto,
    threads: Threads = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Translate a corpus and score it: BLEU, chrF, TER, perplexity."""
    from nmt.corpus import read_lines
    from nmt.evaluate import encode, perplexity, score_translations
    from nmt.files import replacing

    asked = _asked_of_search(assignments, beam=beam, length_penalty=length_penalty)
    pairs = list(_corpus(corpus, langs).pairs())
    if not pairs:
        raise CorpusError(f"{' '.join(corpus)}: there is nothing in it to score")
    trained = _load(run, device, threads)
    encoded = encode(pairs, trained.vocabulary, trained.settings.data.max_length)
    if encoded.left_out:
        console.warn(
            f"{encoded.left_out} pairs have an empty or a very long side: "
            "scored as they are, left out of perplexity"
        )
    if hypotheses:
        translations = list(read_lines(hypotheses))
        _refuse_unequal(hypotheses, len(translations), len(pairs))
    else:
        translator = _translator([trained], asked, precision, best=1)
        translations = [t.text for t in translator.translate([pair.source for pair in pairs])]
    if output:
        with replacing(output) as beside:
            beside.write_bytes("".join(f"{line}\n" for line in translations).encode())
    scores = score_translations(translations, [pair.target for pair in pairs])
    likely = perplexity(trained.model, encoded.batches())
    if json:
        _print_json(
            {name: {"score": s.score, "signature": s.signature} for name, s in scores.items()}
            | {"perplexity": likely, "sentences": len(pairs)}
        )
        return
    names = {"bleu": "BLEU", "chrf": "chrF2", "ter": "TER"}
    rows = [(names[name], f"{s.score:.2f}", s.signature) for name, s in scores.items()]
    shown = "none" if likely != likely else f"{likely:.3f}"
    rows.append(("perplexity", shown, "per target subword"))
    rows.append(("sentences", f"{len(pairs)}", ""))
    print_table(rows, ("metric", "score", "signature"), sys.stdout)


@app.command()
def tune(
    run: RunFolder,
    corpus: CorpusWords,
    langs: Langs = None,
    metric: Annotated[MetricOption, typer.Option(help="What is to be high.")] = MetricOption.bleu,
    beams: Annotated[
        str | None,
        typer.Option(metavar="N,N,...", help="The beams to try.  [default: 1,2,3,5,8,12]"),
    ] = None,
    rerank: Annotated[
        bool,
        typer.Option("--rerank", help="Tune weights of length and coverage by error rate (MERT)."),
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
    precision: Precision = PrecisionName.auto,
    device: DeviceOption = DeviceName.auto,
    threads: Threads = None,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Pick beam, length and coverage penalty on a validation corpus, and store them in the run."""
    from dataclasses import replace

    from nmt.checkpoint import read_config, write_config
    from nmt.clean import is_blank
    from nmt.metrics import METRICS
    from nmt.tune import BEAMS, as_record, as_rows
    from nmt.tune import tune as tune_search

    widths = _numbers(beams, "--beams") if beams else BEAMS
    trained = _load(run, device, threads)
    every = list(_corpus(corpus, langs).pairs())
    pairs = [pair for pair in every if not is_blank(pair.source) and not is_blank(pair.target)]
    if not pairs:
        raise CorpusError(f"{' '.join(corpus)}: there is nothing in it to tune on")

    def translator_for(settings: TranslateSettings) -> Translator:
        asked = {f"translate.{key}": value for key, value in vars(settings).items()}
        attention = trained.model.attention is not None
        return _translator([trained], asked, precision, attention=attention)

    found = tune_search(
        translator_for,
        trained.settings.translate,
        [pair.source for pair in pairs],
        [pair.target for pair in pairs],
        METRICS[metric.value],
        widths,
        rerank,
        report=lambda beam: console.say(f"searching {len(pairs):,} lines with a beam of {beam}"),
    )
    if found.better:
        settings = read_config(trained.run)
        write_config(trained.run, replace(settings, translate=found.winner.settings))
    if json:
        _print_json(as_record(found, metric.value))
    else:
        print_table(
            as_rows(found), ("", "beam", "norm", "length", "reward", "coverage", metric), sys.stdout
        )
    console.say(f"{run}: {found.verdict}")


@app.command()
def info(
    runs: RunFolders,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Draw the training curves: .png, .svg or .pdf."),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Say what a model is: data, training, scores, settings, curves; compare several."""
    from nmt.curves import has_log, read
    from nmt.info import by_name, describe, table
    from nmt.plot import chart, draw

    named = by_name(runs)
    if plot:
        draw({name: read(path) for name, path in named.items()}, plot)
        console.say(f"drawn: {plot}")
        if not json:
            return
    facts = {name: describe(path) for name, path in named.items()}
    only, *others = facts.values()
    if json:
        _print_json(facts if others else only)
        return
    curves = {name: read(path) for name, path in named.items() if has_log(path)}
    print_table(table(facts, curves), ("", "", *facts) if others else (), sys.stdout)
    for each in curves.values() if not others else ():
        print("", chart(each, shutil.get_terminal_size().columns), sep="\n")


# --- what several commands need -----------------------------------------------------------------


def _asked(
    config: Path | None,
    assignments: list[str] | None,
    preset: str | None,
    seed: int | None,
    budget: str | None,
) -> dict[str, Any]:
    """The settings that a command names, by dotted key; a later source wins."""
    from nmt import config as c

    asked: dict[str, Any] = {}
    if preset:
        asked |= c.layer_from_preset(preset)
    if config:
        asked |= c.layer_from_file(config)
    asked |= c.layer_from_assignments(assignments or [])
    if seed is not None:
        asked["train.seed"] = seed
    if budget is not None:
        asked["train.budget"] = c.seconds_from(budget)
    return asked


def _corpora(
    words: list[str], valid: list[str] | None, langs: str | None
) -> tuple[Corpus | Path, Corpus | None]:
    """What to train on (a folder if it is a prepared one), and the pairs of `--valid`."""
    from nmt.corpus import open_corpus
    from nmt.prepare import is_prepared

    folder = Path(words[0])
    if len(words) > 1 or not is_prepared(folder):
        return open_corpus(words, langs), _corpus(valid, langs) if valid else None
    if valid:
        raise SettingsError(f"{folder} has validation pairs of its own", "leave --valid out")
    return folder, None


def _corpus(words: list[str], langs: str | None) -> Corpus:
    """What the words name; of a prepared folder, its validation pairs."""
    from nmt.corpus import open_corpus
    from nmt.manifest import Manifest
    from nmt.prepare import PreparedPairs, is_prepared

    folder = Path(words[0])
    if len(words) == 1 and is_prepared(folder):
        return PreparedPairs(str(folder), Manifest.load(folder).languages, folder)
    return open_corpus(words, langs)


def _numbers(text: str, option: str) -> list[int]:
    """`1,2,5`."""
    if not all(word.strip().isdecimal() and int(word) for word in text.split(",")):
        raise SettingsError(f"{option} {text}: no list of numbers above 0", "write 1,2,5, say")
    return [int(word) for word in text.split(",")]


def _load(
    run: Path, device: DeviceName, threads: int | None, memory: Memory | None = None
) -> Trained:
    from nmt.checkpoint import load
    from nmt.device import open_device

    place = open_device(device.value, threads).torch
    if memory is None:
        return load(run, place)
    trained: Trained = memory.recall(run, lambda: load(run, place))
    return trained


def _runs(text: str) -> list[Path]:
    """`RUN`, or `RUN1,RUN2,…`; a folder whose own name has a comma is one run."""
    return [Path(text)] if Path(text).exists() else [Path(name) for name in text.split(",")]


def _asked_of_search(assignments: list[str] | None, **options: Any) -> dict[str, Any]:
    """The settings of [translate] that a command names; an option of its own wins over --set."""
    from nmt.config import layer_from_assignments

    named = {f"translate.{key}": value for key, value in options.items() if value is not None}
    return layer_from_assignments(assignments or [], "translate") | named


def _translator(
    members: Sequence[Trained],
    asked: Mapping[str, Any],
    precision: PrecisionName,
    mean: Literal["probabilities", "logits"] = "probabilities",
    terminology: Terminology | None = None,
    utility: Metric | None = None,
    **more: Any,
) -> Translator:
    """One run, or several as an ensemble, of which the first one's settings count.

    Args:
        asked: settings of the search that replace the run's.
        more: options of the search that are no settings.
    """
    from nmt.checkpoint import ensemble
    from nmt.config import flat, settings_from
    from nmt.inference import Precision as Arithmetic
    from nmt.inference import fastest
    from nmt.search import SearchOptions
    from nmt.translate import Translator

    trained = members[0]
    model = trained.model if len(members) == 1 else ensemble(members, mean)
    settings = settings_from(flat(trained.settings), asked)
    options = SearchOptions.of(settings.translate, **more)
    if options.groups > 1 and (options.sampling or terminology):
        raise SettingsError(
            f"{'--sample' if options.sampling else '--terms'} cannot be used with "
            f"translate.groups = {options.groups}",
            "set translate.groups to 1",
        )
    if options.sampling and terminology:
        raise SettingsError("--terms are searched for, not drawn", "leave --sample or --terms out")
    auto, longest = precision is PrecisionName.auto, settings.data.max_length
    chosen = fastest(trained.model) if auto else cast(Arithmetic, precision.value)
    return Translator(model, trained.vocabulary, options, longest, chosen, terminology, utility)


def _show_attention(file: Path) -> Callable[[int, Translation], None]:
    """Draws the attention of the best candidate of each line: FILE, FILE-2, FILE-3, …"""
    from nmt.heatmap import chart, draw

    def show(number: int, translation: Translation) -> None:
        attention = translation.candidates[0].attention
        if not attention:
            return
        if str(file) == "-":
            console.say(chart(attention, shutil.get_terminal_size().columns))
            return
        if number > _PICTURES:
            if number == _PICTURES + 1:
                console.warn(f"no more pictures after {_PICTURES} lines")
            return
        path = file if number == 1 else file.with_stem(f"{file.stem}-{number}")
        if not draw(attention, path):
            console.warn(f"{path}: no font that is installed has all its characters; try .svg")
        console.say(f"drawn: {path}")

    return show


def _board(folder: Path | None, run: Path) -> TensorBoardView | None:
    """TensorBoard tells runs apart by their folders."""
    from nmt.tensorboard import TensorBoardView

    return TensorBoardView(folder / run.resolve().name) if folder else None


@contextmanager
def _importing() -> Iterator[None]:
    """Importing torch makes a million objects that stay: to look for garbage among them, meanwhile
    and once more at the end of the process, takes a third as long as the import itself."""
    there = "torch" in sys.modules
    gc.disable()
    try:
        yield
    finally:
        if not there:
            gc.freeze()
        gc.enable()


def _by_a_warm_process(
    this: _Command, keep: str | None, file: Path | None, output: Path | None, *about: Any
) -> int | None:
    """The exit code of the command if a warm process runs it, None if we have to."""
    from nmt import warm

    seconds = None
    if keep is not None:
        from nmt.config import seconds_from

        seconds = 0.0 if keep.strip() == "0" else seconds_from(keep)
    runs, *more = about
    place = warm.place_for(*(run.resolve() for run in runs), *more)
    call = warm.call(place, this.arguments, seconds, console.warn)
    if call is None:
        return None
    with call, _reading(file) as source, _writing(output) as sink:
        if code := call.finish(source, sink, sys.stderr):
            raise typer.Exit(code)
    return 0


@contextmanager
def _reading(file: Path | None) -> Iterator[Any]:
    if file is None or str(file) == "-":
        if sys.stdin is None:
            raise CorpusError("stdin is closed", "give a FILE, or pipe the lines in")
        # Unbuffered: a thread that still waits in a buffered read would end the process badly.
        yield getattr(sys.stdin.buffer, "raw", sys.stdin.buffer)
        return
    if file.is_dir():
        raise CorpusError("is a folder where a file should be", "name a file of lines", path=file)
    try:
        with file.open("rb", buffering=0) as source:
            yield source
    except (FileNotFoundError, PermissionError) as error:
        raise CorpusError(f"cannot be read: {error.strerror}", path=file) from None


@contextmanager
def _writing(file: Path | None) -> Iterator[Any]:
    """stdout, or a file that appears when all of it is there."""
    if file is None:
        yield sys.stdout.buffer
        return
    from nmt.files import replacing

    with replacing(file) as beside, beside.open("wb") as sink:
        yield sink


@contextmanager
def _stopping(training: Training) -> Iterator[list[int]]:
    """On SIGINT or SIGTERM finish the update and save; a second one stops at once.

    Under torchrun what follows within a second is the same request: it passes on a Ctrl-C that its
    processes have already had from the terminal.

    Yields the list that will hold the signal's number.
    """
    received: list[int] = []
    first = 0.0

    def request(number: int, _: Any) -> None:
        nonlocal first
        if not received:
            received.append(number)
            first = time.monotonic()
            training.stop_requested = True
            console.say("stopping after this step ...")
        elif "TORCHELASTIC_RUN_ID" not in os.environ or time.monotonic() - first > 1:
            raise KeyboardInterrupt if number == signal.SIGINT else _Terminated

    before = {number: signal.signal(number, request) for number in (signal.SIGINT, signal.SIGTERM)}
    yield received
    # After an error they stay: a request to stop must not come between it and its message.
    for number, handler in before.items():
        signal.signal(number, handler)


def _refuse_unequal(file: Path, lines: int, pairs: int) -> None:
    if lines != pairs:
        raise CorpusError(
            f"has {lines} lines and the corpus {pairs} pairs",
            "give one translation for each pair, in order",
            path=file,
        )


def _print_json(value: Any) -> None:
    from nmt.files import to_json

    print(to_json(value, indent=2))


# --- the one place that catches -----------------------------------------------------------------


class _Terminated(BaseException):
    """SIGTERM."""


class _Closed(io.RawIOBase):
    """Stands for a stdout that was closed before we began: the first write is an error."""

    told = False

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        if not self.told:
            self.told = True
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        return len(data)


def main() -> None:
    """Run a command; every end becomes an exit code here."""
    sys.stdout = sys.stdout or io.TextIOWrapper(io.BufferedWriter(_Closed()))
    sys.stderr = sys.stderr or io.TextIOWrapper(io.BytesIO())
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace", newline="\n")
    sys.exit(_run())


@dataclass(frozen=True)
class _Command:
    """A command as it was typed, and what a warm process knows from those before."""

    arguments: Sequence[str]
    memory: Memory | None


def _run(arguments: Sequence[str] | None = None, memory: Memory | None = None) -> int:
    words = list(sys.argv[1:] if arguments is None else arguments)
    console.begin()

    def terminate(*_: Any) -> None:
        raise _Terminated

    try:
        signal.signal(signal.SIGTERM, terminate)
        result = app(words, standalone_mode=False, obj=_Command(words, memory))
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except NmtError as error:
        if console.debug:
            raise
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        console.error(error.message, error.advice)
        return 1
    except (BrokenPipeError, SystemExit):  # the latter is the option parser's for the former
        _forget_stdout()
        return 0
    except OSError as error:
        if console.debug:
            raise
        _forget_stdout()
        console.error(f"cannot read or write: {error.filename or 'stdout'}: {error.strerror}")
        return 1
    except _Terminated:
        return 143
    except KeyboardInterrupt:
        return 130
    except typer.Abort:
        return 130
    except Exception as error:
        return _usage(error)


def _usage(error: Exception) -> int:
    """Wrong usage, as the option parser found it; anything else is a fault of ours."""
    show = getattr(error, "show", None)
    if show is None:
        raise error
    show()
    return int(getattr(error, "exit_code", 2))


def _forget_stdout() -> None:
    """Nobody can read our output any more: what is still buffered goes nowhere, silently."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    with contextlib.suppress(OSError):
        os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
