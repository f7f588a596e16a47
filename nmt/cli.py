"""The command line: one thin function per command. It parses, calls, and hands events on.

Nothing heavy is imported before a command needs it: `nmt --help` never loads torch.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from nmt import options, process
from nmt.console import AttentionView, console, print_blocks, print_markdown, print_table
from nmt.errors import CorpusError, NmtError, SettingsError

if TYPE_CHECKING:
    from nmt.channel import NoisyChannel
    from nmt.checkpoint import Run
    from nmt.choices import DeviceName, Task
    from nmt.config import TranslateSettings
    from nmt.corpus import Corpus
    from nmt.decoding import Request
    from nmt.evaluate import Submission
    from nmt.judgement import Judgement
    from nmt.learning_curve import LearningCurve, Part
    from nmt.scoreboard import Evaluation
    from nmt.tensorboard import TensorBoardView
    from nmt.training import Training
    from nmt.translate import Translator
    from nmt.warm import ModelCache

_STARTED = time.monotonic()
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


@app.command()
def prepare(
    corpus: options.Corpus,
    out: options.PreparedFolder,
    task: options.Task = None,
    valid: options.Valid = None,
    langs: options.Langs = None,
    config: options.ConfigFile = None,
    assignments: options.Assignments = None,
    preset: options.Preset = None,
    seed: options.Seed = None,
    threads: options.Threads = None,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Clean, learn subwords, encode; write Arrow tables and a manifest."""
    from nmt.choices import UNITS
    from nmt.config import read

    asked = _asked(config, assignments, preset, seed, None, task)
    aim = read(asked).data.task
    from nmt import recipe
    from nmt.console import PreparationView, show_manifest
    from nmt.files import locked

    place = out.resolve()
    with (
        locked(place.parent / f".{place.name}.lock", str(out)),
        PreparationView(console, UNITS[aim]) as view,
    ):
        manifest, choices = recipe.prepare(
            _open(corpus, langs, aim),
            _corpus(valid, langs, aim) if valid else None,
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
    corpus: options.Corpus,
    out: options.NewRun,
    task: options.Task = None,
    valid: options.Valid = None,
    langs: options.Langs = None,
    config: options.ConfigFile = None,
    assignments: options.Assignments = None,
    preset: options.Preset = None,
    budget: options.Budget = None,
    seed: options.Seed = None,
    device: options.Device = "auto",
    threads: options.Threads = None,
    fresh: options.Fresh = False,
    tensorboard: options.TensorBoard = None,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Train a model. The same command again goes on where it stopped."""
    from nmt.choices import UNITS
    from nmt.config import read

    with process.alike():
        asked = _asked(config, assignments, preset, seed, budget, task)
        aim = read(asked).data.task
        from nmt import recipe
        from nmt.console import PreparationView, show_beginning
        from nmt.device import open_device
        from nmt.distributed import join

        pairs, valid_pairs = _corpora(corpus, valid, langs, aim)
        place = open_device(device, threads)
        board = _board(tensorboard, out)
    preparation = PreparationView(console, UNITS[aim])
    request = recipe.Request(asked, pairs, valid_pairs, out, fresh, preparation.show)
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
        _watch(ready.training, board if world.first else None)
    verb = "translate" if ready.training.settings.data.task == "translation" else "sample"
    console.say(f"model: {out}; now try: nmt {verb} {out}")


@app.command()
def curve(
    corpus: options.Corpus,
    out: options.CurveFolder,
    fractions: options.Fractions = "0.125,0.25,0.5,1",
    valid: options.Valid = None,
    langs: options.Langs = None,
    config: options.ConfigFile = None,
    assignments: options.Assignments = None,
    preset: options.Preset = None,
    budget: options.Budget = None,
    seed: options.Seed = None,
    device: options.Device = "auto",
    threads: options.Threads = None,
    fresh: options.Fresh = False,
    json: options.AsJson = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Train on growing parts of a corpus: what would twice the data give?"""
    from nmt.config import seconds_from

    asked = _asked(config, assignments, preset, seed, None, "translation")
    seconds = seconds_from(budget) if budget else 0.0
    from nmt.files import locked
    from nmt.learning_curve import HEADER, Asked, LearningCurve, fractions_in

    pairs, valid_pairs = _corpora(corpus, valid, langs, "translation")
    if isinstance(pairs, Path):
        pairs, valid_pairs = _texts_of(pairs)
    wanted = Asked(pairs, valid_pairs, fractions_in(fractions), asked, out, seconds, fresh)
    with locked(out / "lock", str(out)):
        found = LearningCurve(wanted)
        for part in found.missing():
            console.say(f"part {part.fraction:g} of the corpus, about {part.pairs:,} pairs")
            _add_part(found, part, device, threads)
        conclusion = found.conclude()
    if json:
        _print_json(conclusion.record())
    else:
        print_table(conclusion.rows(), HEADER, sys.stdout)
        print("", *conclusion.answer(), sep="\n")
    console.say(f"drawn: {out / 'curve.png'}")


def _add_part(found: LearningCurve, part: Part, device: DeviceName, threads: int | None) -> None:
    """Train on a part of a corpus, and judge what became of it."""
    from nmt import decoding, recipe
    from nmt.choices import UNITS
    from nmt.console import PreparationView, show_beginning
    from nmt.device import open_device
    from nmt.distributed import ALONE
    from nmt.learning_curve import measure

    preparation = PreparationView(console, UNITS["translation"])
    request = found.request(part, preparation.show)
    place = open_device(device, threads)
    with preparation, recipe.opened(request, place, time.monotonic(), ALONE) as ready:
        preparation.stop()
        show_beginning(console, ready)
        _watch(ready.training)
    search = decoding.Request(runs=[request.out], device=device, threads=threads)
    found.add(measure(part, found.valid(), search))


@app.command()
def average(
    runs: options.RunsOrWeights,
    out: options.AveragedRun,
    last: options.Last = 3,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Average the last weights of runs (or files of weights) into a new run."""
    from nmt import card
    from nmt.checkpoint import Run
    from nmt.checkpoint import average as average_weights

    files = average_weights(runs, out, last)
    card.write(Run(out))
    console.say(f"averaged {len(files)}: {', '.join(map(str, files))}")
    console.say(f"model: {out}; now try: nmt evaluate {out} CORPUS...")


@app.command()
def translate(
    context: typer.Context,
    run: options.RunNames,
    file: options.Lines = None,
    output: options.Output = None,
    format: options.Format = "text",
    n_best: options.NBest = 1,
    beam: options.Beam = None,
    length_penalty: options.LengthPenalty = None,
    assignments: options.SearchAssignments = None,
    ensemble: options.Ensemble = None,
    sample: options.Sample = False,
    temperature: options.Temperature = None,
    top_k: options.TopK = None,
    top_p: options.TopP = None,
    seed: options.DrawingSeed = None,
    mbr: options.Mbr = False,
    utility: options.Utility = None,
    channel: options.Channel = None,
    lm: options.LanguageModel = None,
    weights: options.Weights = None,
    prefix_column: options.PrefixColumn = False,
    terms: options.Terms = None,
    alignments: options.Alignments = False,
    subword_alignments: options.SubwordAlignments = False,
    attention_plot: options.AttentionPlot = None,
    replace_unknown: options.ReplaceUnknown = False,
    flag_below: options.FlagBelow = None,
    precision: options.Precision = "auto",
    device: options.Device = "auto",
    threads: options.Threads = None,
    keep_warm: options.KeepWarm = None,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Translate lines: stdin (or FILE) to stdout."""
    from nmt import decoding, stream, warm

    request = decoding.Request(
        runs=decoding.runs_of(run),
        mean=ensemble,
        precision=precision,
        device=device,
        threads=threads,
        beam=beam,
        length_penalty=length_penalty,
        assignments=assignments or (),
        n_best=n_best,
        sample=sample,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        seed=seed,
        mbr=mbr,
        utility=utility,
        channel=channel,
        lm=lm,
        weights=weights,
        prefixed=prefix_column,
        terms=terms,
        format=format,
        alignments=alignments,
        subword_alignments=subword_alignments,
        attention_plot=attention_plot,
        replace_unknown=replace_unknown,
        flag_below=flag_below,
    )
    decoding.check(request)
    command: process.Command = context.obj
    if command.models is None:
        place = warm.place_for(request.runs, device, threads)
        if call := warm.call(place, command.words, keep_warm, console.warn):
            with call, stream.reading(file) as source, stream.writing(output) as sink:
                if code := call.finish(source, sink, sys.stderr):
                    raise typer.Exit(code)
            return
    else:  # we are the warm process, whose caller opens the files
        file = output = None
    with process.importing():
        members = decoding.load_runs(request, command.models)
        others = decoding.load_channel(request, members, command.models)
        translator = decoding.make_translator(request, members, others)
    _tell_weights(others)
    show = AttentionView(console, attention_plot).show if attention_plot else None
    with stream.reading(file) as source, stream.writing(output) as sink:
        stream.translate_stream(
            translator, source, sink, request.layout, console.warn, show, prefix_column
        )


@app.command(hidden=True)
def keep_warm(place: Path, idle: float) -> None:
    """What --keep-warm leaves behind: answers calls of nmt translate."""
    from nmt import warm

    warm.serve(place, idle, run)


@app.command()
def sample(
    run: options.RunFolder,
    count: options.Count = 1,
    prompt: options.Prompt = None,
    temperature: options.Temperature = None,
    top_k: options.TopK = None,
    top_p: options.TopP = None,
    seed: options.DrawingSeed = None,
    max_length: options.MaxLength = None,
    output: options.Output = None,
    precision: options.Precision = "auto",
    device: options.Device = "auto",
    threads: options.Threads = None,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Draw lines from a language model."""
    from nmt import decoding, stream
    from nmt.engine import Engine
    from nmt.generate import generate
    from nmt.inference import precision_for
    from nmt.search import Sampling

    request = decoding.Request(
        runs=[run],
        precision=precision,
        device=device,
        threads=threads,
        sample=True,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        seed=seed,
    )
    (trained,) = decoding.load_runs(request, task="lm")
    lines = generate(
        Engine(trained.model, precision_for([trained.model], precision)),
        trained.vocabulary.target,
        Sampling(**request.draws),
        count,
        max_length or trained.settings.data.max_length,
        prompt or "",
    )
    with stream.writing(output) as sink:
        for line in lines:
            sink.write(f"{line}\n".encode())


@app.command()
def score(
    run: options.RunNames,
    corpus: options.CorpusOrNone = None,
    langs: options.Langs = None,
    n_best: options.CandidatesFile = None,
    output: options.Output = None,
    format: options.ScoreFormat = "text",
    tokens: options.Tokens = False,
    length_penalty: options.LengthPenalty = None,
    assignments: options.SearchAssignments = None,
    precision: options.ScorePrecision = "auto",
    device: options.Device = "auto",
    threads: options.Threads = None,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Say what log-probability a model gives to translations, or to lines: a line for each."""
    from dataclasses import replace

    from nmt import decoding, stream
    from nmt.formats import ScoreLayout, candidates_of

    if n_best and len(corpus or ()) > 1:
        raise SettingsError(f"{' '.join(corpus or ())}: --n-best takes one file of sources")
    if not n_best and not corpus:
        raise typer.BadParameter("give a CORPUS, or --n-best FILE")
    sources = Path(corpus[0]) if corpus else None
    request = decoding.Request(
        runs=decoding.runs_of(run),
        precision=precision,
        device=device,
        threads=threads,
        length_penalty=length_penalty,
        assignments=assignments or (),
    )
    decoding.check(request)
    members = decoding.load_runs(request, task=None)
    aim = members[0].task
    if aim == "lm" and precision == "auto":  # no search of whose scores these should be
        request = replace(request, precision="fp32")
    pairs = candidates_of(n_best, sources) if n_best else _corpus(corpus or [], langs, aim).pairs()
    translator = decoding.make_translator(request, members)
    layout = ScoreLayout(format, tokens, one_sided=aim == "lm")
    with stream.writing(output) as sink:
        stream.score_stream(translator, iter(pairs), sink, layout)


@app.command()
def evaluate(
    context: typer.Context,
    words: options.RunsAndCorpus = None,
    langs: options.Langs = None,
    hypotheses: options.Hypotheses = None,
    references: options.References = None,
    test_set: options.StandardTestSet = None,
    lowercase: options.Lowercase = False,
    tokenize: options.Tokenize = None,
    paired: options.Paired = "bs",
    resamples: options.Resamples = None,
    comet: options.CometModel = None,
    details: options.Details = False,
    report: options.Report = None,
    attention: options.AttentionLines = None,
    output: options.Output = None,
    json: options.AsJson = False,
    ensemble: options.Ensemble = None,
    beam: options.Beam = None,
    length_penalty: options.LengthPenalty = None,
    assignments: options.SearchAssignments = None,
    channel: options.Channel = None,
    lm: options.LanguageModel = None,
    weights: options.Weights = None,
    precision: options.Precision = "auto",
    device: options.Device = "auto",
    threads: options.Threads = None,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Score systems on a test set: BLEU, chrF, TER, perplexity; what is sure, what goes wrong. Or
    judge text by a language model: perplexity."""
    from nmt import decoding, scoring, tables, testsets
    from nmt.evaluate import judge
    from nmt.files import refuse_unwritable
    from nmt.report import look, page_at, some_lines, write_report
    from nmt.systems import sort_out, translated, write

    request = decoding.Request(
        runs=(),
        mean=ensemble,
        precision=precision,
        device=device,
        threads=threads,
        beam=beam,
        length_penalty=length_penalty,
        assignments=assignments or (),
        channel=channel,
        lm=lm,
        weights=weights,
    )
    decoding.check(request)
    if words and decoding.is_language_model(words[0]):
        _refuse_given(context, ("words", "langs", "json", "device", "threads", "quiet", "debug"))
        _judge_text(words, langs, request, json)
        return
    named = sort_out(words or (), hypotheses or (), test_set is None)
    if not (named.systems or named.files) or not (named.corpus or test_set):
        raise typer.BadParameter("give RUN... CORPUS..., or --hypotheses FILE and CORPUS...")
    if test_set:
        test = testsets.standard(test_set, langs, console.say)
    else:
        test = testsets.own(_corpus(named.corpus, langs))
    test = testsets.with_references(test, references or ())
    rows = _rows_of(attention, report, len(test))
    if output:
        several = len(named.systems) + len(named.files) > 1
        refuse_unwritable(output / "translations" if several else output)
    if report:
        refuse_unwritable(page_at(report))
    language = langs.rpartition("-")[2] if test_set and langs else ""
    scorer = scoring.Scorer(test.references, scoring.Options(lowercase, tokenize, language))
    opinion = scoring.Comet(comet, device) if comet else None
    submissions = translated(test, named, request, console.warn, _tell_weights)
    if output:
        write(submissions, output)
    more = {}
    if opinion:
        more["comet"] = [opinion.score(test, each.translations) for each in submissions]
    resampling = scoring.resampling_for(len(test), len(submissions), paired, resamples)
    if resampling is None and resamples is None:
        console.warn("a large test set: give --resamples 1000 for intervals and tests")
    judgement = judge(test, submissions, scorer, resampling, more)
    for note in judgement.notes:
        console.warn(note)
    _keep(judgement, submissions)
    if json:
        _print_json(tables.as_record(judgement, details))
    else:
        print_blocks(tables.in_terminal(judgement, details), sys.stdout)
    if report:
        looked = look(judgement, request, rows or some_lines(judgement))
        for row in set(rows) - {each.row for each in looked}:
            console.warn(f"line {row + 1}: {judgement.systems[0].name} has no attention to show")
        console.say(f"report: {write_report(judgement, report, looked)}")


@app.command()
def tune(
    run: options.RunFolder,
    corpus: options.Corpus,
    langs: options.Langs = None,
    metric: options.Metric = "bleu",
    beams: options.Beams = None,
    rerank: options.Rerank = False,
    channel: options.Channel = None,
    lm: options.LanguageModel = None,
    json: options.AsJson = False,
    precision: options.Precision = "auto",
    device: options.Device = "auto",
    threads: options.Threads = None,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Pick beam, length and coverage penalty on a validation corpus, or the weights of other
    models, and store them in the run."""
    from dataclasses import replace

    from nmt import card, decoding, weigh
    from nmt.channel import store
    from nmt.checkpoint import read_config, write_config
    from nmt.metrics import METRICS
    from nmt.search import SearchOptions
    from nmt.tune import BEAMS, as_record, as_rows, usable
    from nmt.tune import tune as tune_search

    request = decoding.Request(
        runs=[run], precision=precision, device=device, threads=threads, channel=channel, lm=lm
    )
    if rerank and request.reranked:
        raise SettingsError("--rerank tunes without --channel and --lm", "leave it or these out")
    widths = _widths(beams) if beams else None
    (trained,) = decoding.load_runs(request)
    translator = decoding.make_translator(request, [trained])
    every = list(_corpus(corpus, langs).pairs())
    pairs = usable(every, translator)
    if not pairs:
        raise CorpusError(f"{' '.join(corpus)}: there is nothing in it to tune on")
    if len(pairs) < len(every):
        console.warn(
            f"{len(every) - len(pairs)} pairs have an empty side or a very long source: left out"
        )
    stored = trained.settings.translate
    sides = [pair.source for pair in pairs], [pair.target for pair in pairs]
    on = *sides, METRICS[metric]

    def translator_for(settings: TranslateSettings) -> Translator:
        options = SearchOptions.of(settings, coverage=True, prune=not request.reranked)
        return translator.with_options(options)

    def report(beam: int) -> None:
        console.say(f"searching {len(pairs):,} lines with a beam of {beam}")

    if others := decoding.load_channel(request, [trained]):
        weighed = weigh.weigh(translator_for, stored, others, *on, widths or weigh.BEAMS, report)
        about = {"metric": metric, "score": weighed.winner.score, "direct": weighed.direct}
        store(trained.run.channel, weighed.winner.weighing, about)
        record, rows = weigh.as_record(weighed, metric), weigh.as_rows(weighed)
        header, verdict = ("", "beam", *others.weighing.weights), weighed.verdict
    else:
        found = tune_search(translator_for, stored, *on, widths or BEAMS, rerank, report)
        if found.better:
            settings = read_config(trained.run)
            write_config(trained.run, replace(settings, translate=found.winner.settings))
            card.write(trained.run)
        record, rows = as_record(found, metric), as_rows(found)
        header, verdict = ("", "beam", "norm", "length", "reward", "coverage"), found.verdict
    if json:
        _print_json(record)
    else:
        print_table(rows, (*header, metric), sys.stdout)
    console.say(f"{run}: {verdict}")


@app.command()
def diagnose(
    run: options.RunFolder,
    corpus: options.Corpus,
    langs: options.Langs = None,
    untrained: options.Untrained = False,
    compare_cells: options.CompareCells = False,
    steps: options.Steps = None,
    sentences: options.Sentences = 200,
    reach: options.Reach = 144,
    seed: options.SamplingSeed = 1,
    out: options.DiagnosisFolder = None,
    json: options.AsJson = False,
    device: options.Device = "auto",
    threads: options.Threads = None,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Measure how far gradients reach back, and what vanishes or explodes."""
    from nmt import findings
    from nmt.checkpoint import Run, read_config
    from nmt.device import open_device
    from nmt.diagnose import Question
    from nmt.diagnose import diagnose as find_out

    if steps and not compare_cells:
        raise SettingsError("--steps needs --compare-cells")
    folder = out or run / "diagnosis"
    findings.refuse_other(folder)
    question = Question(
        run=run,
        corpus=_corpus(corpus, langs, read_config(Run(run)).data.task),
        fresh=untrained,
        sentences=sentences,
        length=reach,
        steps=steps or 500 if compare_cells else None,
        cells=folder.resolve().with_name(f"{folder.resolve().name}-cells"),
        seed=seed,
    )
    diagnosis = find_out(question, open_device(device, threads), console.say)
    findings.write_folder(diagnosis, folder)
    if json:
        _print_json(findings.as_record(diagnosis))
    else:
        for title, table in findings.titled(diagnosis):
            print(title)
            print_table(table.rows, table.header, sys.stdout)
            print()
        print(*findings.verdict(diagnosis), sep="\n")
    for missing in diagnosis.left_out:
        console.say(f"not measured: {missing}")
    console.say(f"figures and page: {folder / findings.PAGE}")


@app.command()
def info(
    runs: options.RunFolders,
    plot: options.Curves = None,
    json: options.AsJson = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> None:
    """Show a model's card (scores, use, limits, data, training, settings) and its curves; compare
    several models."""
    from nmt.card import body, compose
    from nmt.checkpoint import Run, names_of
    from nmt.curves import has_log, read
    from nmt.info import describe, table
    from nmt.plot import chart, draw

    named = {name: path for path, name in names_of(runs).items()}
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
    if others or not Run(runs[0]).model.is_file():
        print_table(table(facts, curves), ("", "", *facts) if others else (), sys.stdout)
    else:
        print_markdown(body(compose(Run(runs[0]))), sys.stdout)
    for each in curves.values() if not others else ():
        print("", chart(each, shutil.get_terminal_size().columns), sep="\n")


def _rows_of(attention: str | None, report: Path | None, lines: int) -> list[int]:
    """The lines of --attention, from 0."""
    if attention is None:
        return []
    if report is None:
        raise SettingsError("--attention is about a report", "give --report too")
    numbers = _numbers(attention, "--attention")
    if max(numbers) > lines:
        raise SettingsError(
            f"--attention {max(numbers)}: the test set has {lines} lines",
            f"name lines up to {lines}",
        )
    return [number - 1 for number in dict.fromkeys(numbers)]


def _keep(judgement: Judgement, submissions: Sequence[Submission]) -> None:
    """What runs have translated and scored goes into their folders, and onto their cards."""
    from nmt.checkpoint import Run
    from nmt.scoreboard import evaluation_of

    for each, system in zip(submissions, judgement.systems, strict=True):
        if each.search and len(each.runs) == 1:
            found = evaluation_of(judgement.test, system, each.search, each.weights)
            _keep_one(Run(each.runs[0]), found)


def _keep_one(run: Run, evaluation: Evaluation) -> None:
    from nmt import card, scoreboard

    try:
        scoreboard.store(run, evaluation)
        ours = card.write(run)
    except NmtError as error:  # of somebody else's, perhaps
        console.warn(f"{error.message}: the scores are not kept")
    else:
        if not ours:
            console.warn(f"{run.card}: was not written by nmt, and stays as it is")


def _watch(training: Training, board: TensorBoardView | None = None) -> None:
    """Train, showing all that happens; a request to stop ends the command."""
    from nmt.console import TrainingView

    views: list[TrainingView | TensorBoardView] = [TrainingView(console)]
    views += [board] if board else []
    with process.stopping(training) as stop, contextlib.ExitStack() as opened:
        for view in views:
            opened.enter_context(view)
        for event in training.events():
            for view in views:
                view.show(event)
    if not training.progress.finished:
        console.say(
            f"stopped and saved at step {training.progress.step:,}; "
            "to go on, run the same command again"
        )
        raise typer.Exit(128 + (stop[0] if stop else signal.SIGTERM))


# --- what several commands need -----------------------------------------------------------------


def _asked(
    config: Path | None,
    assignments: list[str] | None,
    preset: str | None,
    seed: int | None,
    budget: str | None,
    task: Task | None,
) -> dict[str, Any]:
    """The settings that a command names, by dotted key; a later source wins."""
    from nmt import config as c

    asked: dict[str, Any] = {}
    if preset:
        asked |= c.layer_from_preset(preset)
    if config:
        asked |= c.layer_from_file(config)
    asked |= c.layer_from_assignments(assignments or [])
    if task is not None:
        asked["data.task"] = task
    if seed is not None:
        asked["train.seed"] = seed
    if budget is not None:
        asked["train.budget"] = c.seconds_from(budget)
    return asked


def _corpora(
    words: list[str], valid: list[str] | None, langs: str | None, task: Task
) -> tuple[Corpus | Path, Corpus | None]:
    """What to train on (a folder if it is a prepared one), and the pairs of `--valid`."""
    from nmt.prepare import is_prepared

    folder = Path(words[0])
    if len(words) > 1 or not is_prepared(folder):
        return _open(words, langs, task), _corpus(valid, langs, task) if valid else None
    if valid:
        raise SettingsError(f"{folder} has validation pairs of its own", "leave --valid out")
    return folder, None


def _open(words: list[str], langs: str | None, task: Task) -> Corpus:
    """The pairs, or for a language model the text, that the words name."""
    from nmt.corpus import open_corpus, open_text

    return open_text(words, langs) if task == "lm" else open_corpus(words, langs)


def _texts_of(prepared: Path) -> tuple[Corpus, Corpus]:
    """The training and the validation pairs of a prepared folder, as text."""
    from nmt.manifest import Manifest
    from nmt.prepare import PreparedPairs

    name, languages = prepared.resolve().name, Manifest.load(prepared).languages
    train, valid = (PreparedPairs(name, languages, prepared, part) for part in ("train", "valid"))
    return train, valid


def _corpus(words: list[str], langs: str | None, task: Task = "translation") -> Corpus:
    """The same; of a prepared folder, its validation pairs."""
    from nmt.manifest import Manifest
    from nmt.prepare import PreparedPairs, is_prepared

    folder = Path(words[0])
    if len(words) == 1 and is_prepared(folder):
        manifest = Manifest.load(folder)
        if manifest.task == "lm" != task:
            raise SettingsError(f"{folder}: holds text of one language, and no pairs")
        return PreparedPairs(str(folder), manifest.languages, folder)
    return _open(words, langs, task)


def _refuse_given(context: typer.Context, allowed: Sequence[str]) -> None:
    """Raises SettingsError for an option that means nothing for a language model."""
    for parameter in context.command.params:
        source, option = context.get_parameter_source(parameter.name or ""), parameter.opts[0]
        if source and source.name == "COMMANDLINE" and parameter.name not in allowed:
            raise SettingsError(
                f"{option} is about translations, and this is a language model",
                f"leave {option} out",
            )


def _judge_text(words: list[str], langs: str | None, request: Request, json: bool) -> None:
    """What a language model, the first of the words, gives to the text that the others name."""
    from dataclasses import replace

    from nmt import decoding
    from nmt.checkpoint import read_header
    from nmt.perplexity import likelihood
    from nmt.scoreboard import evaluation_of_text
    from nmt.wording import public

    run, *corpus = words
    if not corpus:
        raise typer.BadParameter("give RUN TEXT...")
    (trained,) = decoding.load_runs(replace(request, runs=[Path(run)]), task="lm")
    weights = read_header(trained.run.model).checksum
    text = _corpus(corpus, langs, "lm")
    lines = [pair.target for pair in text.pairs()]
    if not lines:
        raise CorpusError(f"{' '.join(corpus)}: there is nothing in it to score")
    found = likelihood(trained.model, lines, trained.vocabulary.target)
    if found.lines < len(lines):
        console.warn(f"{len(lines) - found.lines} blank lines are left out")
    _keep_one(trained.run, evaluation_of_text(public(text.name), lines, found, weights))
    if json:
        _print_json(found.as_record())
    else:
        print_table(found.as_rows(), ("metric", "score", "meaning"), sys.stdout)


def _tell_weights(channel: NoisyChannel | None) -> None:
    """Weights that nobody chose are told."""
    if channel and not channel.weighing.tuned:
        console.say(
            f"ranked by {channel.weighing}: a guess; nmt tune with the same --channel and --lm "
            "finds weights on a validation corpus"
        )


def _widths(text: str) -> list[int]:
    """The beams that are tried."""
    from nmt.config import WIDEST

    widths = _numbers(text, "--beams")
    if max(widths) > WIDEST:
        raise SettingsError(f"--beams {max(widths)}: a beam is at most {WIDEST:,}")
    return widths


def _numbers(text: str, option: str) -> list[int]:
    """`1,2,5`."""
    if not all(word.strip().isdecimal() and int(word) for word in text.split(",")):
        raise SettingsError(f"{option} {text}: no list of numbers above 0", "write 1,2,5, say")
    return [int(word) for word in text.split(",")]


def _board(folder: Path | None, run: Path) -> TensorBoardView | None:
    """TensorBoard tells runs apart by their folders."""
    from nmt.tensorboard import TensorBoardView

    return TensorBoardView(folder / run.resolve().name) if folder else None


def _print_json(value: Any) -> None:
    from nmt.files import to_json

    print(to_json(value, indent=2))
