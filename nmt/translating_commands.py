"""Commands that use a model: translate, sample, score, tune.

One thin function each: it parses, calls, and hands events on. Nothing heavy is imported before a
command needs it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from nmt import arguments, options, process
from nmt.console import (
    AttentionView,
    console,
    print_json,
    print_table,
    tell_weights,
)
from nmt.errors import CorpusError, SettingsError

if TYPE_CHECKING:
    from nmt.config import TranslateSettings
    from nmt.translate import Translator


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
    tell_weights(others)
    show = AttentionView(console, attention_plot).show if attention_plot else None
    with stream.reading(file) as source, stream.writing(output) as sink:
        stream.translate_stream(
            translator, source, sink, request.layout, console.warn, show, prefix_column
        )


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


def score(
    run: options.RunNames,
    corpus: options.CorpusOrNone = None,
    langs: options.Langs = None,
    n_best: options.CandidatesFile = None,
    output: options.Output = None,
    format: options.ScoreFormat = "text",
    tokens: options.Tokens = False,
    ensemble: options.Ensemble = None,
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
        mean=ensemble,
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
    if n_best:
        pairs = candidates_of(n_best, sources)
    else:
        pairs = arguments.corpus(corpus or [], langs, aim).pairs()
    translator = decoding.make_translator(request, members)
    layout = ScoreLayout(format, tokens, one_sided=aim == "lm")
    with stream.writing(output) as sink:
        stream.score_stream(translator, iter(pairs), sink, layout)


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
    every = list(arguments.corpus(corpus, langs).pairs())
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
        print_json(record)
    else:
        print_table(rows, (*header, metric), sys.stdout)
    console.say(f"{run}: {verdict}")


def _widths(text: str) -> list[int]:
    """The beams that are tried."""
    from nmt.config import WIDEST

    widths = arguments.numbers(text, "--beams")
    if max(widths) > WIDEST:
        raise SettingsError(f"--beams {max(widths)}: a beam is at most {WIDEST:,}")
    return widths
