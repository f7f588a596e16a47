"""Commands that judge a model: evaluate, diagnose, info.

One thin function each: it parses, calls, and hands events on. Nothing heavy is imported before a
command needs it.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from nmt import arguments, options
from nmt.console import (
    console,
    print_blocks,
    print_json,
    print_markdown,
    print_table,
    tell_weights,
)
from nmt.errors import CorpusError, NmtError, SettingsError

if TYPE_CHECKING:
    from nmt.checkpoint import Run
    from nmt.decoding import Request
    from nmt.evaluate import Submission
    from nmt.judgement import Judgement
    from nmt.scoreboard import Evaluation


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
    from nmt.report import look, refuse_other, some_lines, write_report
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
        test = testsets.own(arguments.corpus(named.corpus, langs))
    test = testsets.with_references(test, references or ())
    rows = _rows_of(attention, report, len(test))
    if output:
        several = len(named.systems) + len(named.files) > 1
        refuse_unwritable(output / "translations" if several else output)
    if report:
        refuse_other(report)
    language = langs.rpartition("-")[2] if test_set and langs else ""
    scorer = scoring.Scorer(test.references, scoring.Options(lowercase, tokenize, language))
    opinion = scoring.Comet(comet, device) if comet else None
    submissions = translated(test, named, request, console.warn, tell_weights)
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
        print_json(tables.as_record(judgement, details))
    else:
        print_blocks(tables.in_terminal(judgement, details), sys.stdout)
    if report:
        looked = look(judgement, request, rows or some_lines(judgement))
        for row in set(rows) - {each.row for each in looked}:
            console.warn(f"line {row + 1}: {judgement.systems[0].name} has no attention to show")
        console.say(f"report: {write_report(judgement, report, looked)}")


def _rows_of(attention: str | None, report: Path | None, lines: int) -> list[int]:
    """The lines of --attention, from 0."""
    if attention is None:
        return []
    if report is None:
        raise SettingsError("--attention is about a report", "give --report too")
    numbers = arguments.numbers(attention, "--attention")
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
    text = arguments.corpus(corpus, langs, "lm")
    lines = [pair.target for pair in text.pairs()]
    if not lines:
        raise CorpusError(f"{' '.join(corpus)}: there is nothing in it to score")
    found = likelihood(trained.model, lines, trained.vocabulary.target)
    if found.lines < len(lines):
        console.warn(f"{len(lines) - found.lines} blank lines are left out")
    _keep_one(trained.run, evaluation_of_text(public(text.name), lines, found, weights))
    if json:
        print_json(found.as_record())
    else:
        print_table(found.as_rows(), ("metric", "score", "meaning"), sys.stdout)


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
        corpus=arguments.corpus(corpus, langs, read_config(Run(run)).data.task),
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
        print_json(findings.as_record(diagnosis))
    else:
        for title, table in findings.titled(diagnosis):
            print(title)
            print_table(table.rows, table.header, sys.stdout)
            print()
        print(*findings.verdict(diagnosis), sep="\n")
    for missing in diagnosis.left_out:
        console.say(f"not measured: {missing}")
    console.say(f"figures and page: {folder / findings.PAGE}")


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
        print_json(facts if others else only)
        return
    curves = {name: read(path) for name, path in named.items() if has_log(path)}
    if others or not Run(runs[0]).model.is_file():
        print_table(table(facts, curves), ("", "", *facts) if others else (), sys.stdout)
    else:
        print_markdown(body(compose(Run(runs[0]))), sys.stdout)
    for each in curves.values() if not others else ():
        print("", chart(each, shutil.get_terminal_size().columns), sep="\n")
