"""Every argument and option of the command line: its type, its name, its help."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from nmt import choices
from nmt.console import console


def _set_quiet(value: bool) -> bool:
    console.quiet = console.quiet or value
    return value


def _set_debug(value: bool) -> bool:
    console.debug = console.debug or value
    return value


def _seconds(text: str) -> float:
    """A duration, or 0."""
    from nmt.config import seconds_from

    return 0.0 if text.strip() == "0" else seconds_from(text)


def _finite(value: float | None) -> float | None:
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter("must be a finite number")
    return value


# --- of every command ---------------------------------------------------------------------------

Version = Annotated[bool, typer.Option("--version", help="Print the version.")]
Quiet = Annotated[
    bool,
    typer.Option("--quiet", "-q", callback=_set_quiet, help="Only warnings and errors on stderr."),
]
Debug = Annotated[bool, typer.Option(callback=_set_debug, help="Show tracebacks.")]
Device = Annotated[choices.DeviceName, typer.Option(help="Where to compute.")]
Threads = Annotated[int | None, typer.Option(min=1, max=1_024, help="CPU threads.")]
Task = Annotated[
    choices.Task | None,
    typer.Option(
        help="lm: a language model of text of one language; CORPUS and --valid are then plain "
        "files, or the target side of what holds pairs.  [default: translation]"
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]

# --- runs and corpora ---------------------------------------------------------------------------

RunFolder = Annotated[Path, typer.Argument(metavar="RUN", help="A run's folder.")]
RunNames = Annotated[
    str, typer.Argument(metavar="RUN", help="A run's folder; several, RUN1,RUN2, as one model.")
]
RunFolders = Annotated[
    list[Path], typer.Argument(metavar="RUN...", help="A run's folder; several are compared.")
]
RunsOrWeights = Annotated[
    list[Path],
    typer.Argument(metavar="RUN...", help="Runs, or .safetensors files within runs."),
]
NewRun = Annotated[Path, typer.Option("--out", metavar="RUN", help="The run's folder.")]
AveragedRun = Annotated[Path, typer.Option("--out", metavar="NEW", help="The run to make.")]
PreparedFolder = Annotated[Path, typer.Option("--out", metavar="DIR", help="The folder to write.")]
_CORPUS = typer.Argument(
    metavar="CORPUS...",
    help="Two aligned files, or one .tsv, .jsonl, .parquet, .tmx, .po or .xliff file, "
    "or hf:NAME[:SPLIT], or a folder that nmt prepare wrote.",
)
Corpus = Annotated[list[str], _CORPUS]
CorpusOrNone = Annotated[list[str] | None, _CORPUS]
Valid = Annotated[
    list[str] | None,
    typer.Option(metavar="CORPUS", help="Validation pairs: a corpus; give it twice for two files."),
]
Langs = Annotated[
    str | None,
    typer.Option(
        metavar="SRC-TGT",
        help="Languages, for formats that hold several; the one of a language model.",
    ),
]
Output = Annotated[Path | None, typer.Option(metavar="FILE", help="Where the results go.")]

# --- settings and training ----------------------------------------------------------------------

ConfigFile = Annotated[
    Path | None, typer.Option("--config", metavar="FILE.toml", help="Settings from a file.")
]
Assignments = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="SECTION.KEY=VALUE", help="One setting; repeatable."),
]
Preset = Annotated[str | None, typer.Option(metavar="NAME", help="A named group of settings.")]
Seed = Annotated[int | None, typer.Option(min=0, help="Another seed, another training.")]
Budget = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="Wall clock to fit the training to: 90s, 20m, 1h30m."),
]
CurveFolder = Annotated[
    Path, typer.Option("--out", metavar="DIR", help="The folder of the curve and its runs.")
]
Fractions = Annotated[
    str, typer.Option(metavar="PART,PART,...", help="How much of the corpus, from 0 to 1.")
]
Fresh = Annotated[bool, typer.Option("--fresh", help="Start over, forgetting what is there.")]
TensorBoard = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Show the training to TensorBoard too, in DIR/RUN."),
]
Last = Annotated[int, typer.Option(min=1, help="How many of a run's last weights.")]
Curves = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="Draw the training curves: .png, .svg or .pdf."),
]

# --- translating: what is read and written ------------------------------------------------------

Lines = Annotated[
    Path | None, typer.Argument(metavar="[FILE]", help="Lines to translate; stdin without it.")
]
Format = Annotated[choices.Format, typer.Option(help="tsv and jsonl carry scores.")]
NBest = Annotated[int, typer.Option(min=1, help="Candidates written for each line.")]
KeepWarm = Annotated[
    float | None,
    typer.Option(
        parser=_seconds,
        metavar="TIME",
        envvar="NMT_KEEP_WARM",
        show_envvar=True,
        help="Leave a process behind that answers later calls at once, until none has come for "
        "so long: 10m, say; 0 ends it.",
    ),
]

# --- translating: the search --------------------------------------------------------------------

Beam = Annotated[int | None, typer.Option(min=1, help="Hypotheses searched at once; 1 is greedy.")]
LengthPenalty = Annotated[
    float | None,
    typer.Option(
        min=0,
        max=10,
        callback=_finite,
        help="More for longer translations; 1 ranks by the mean log-probability of a subword.",
    ),
]
SearchAssignments = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="translate.KEY=VALUE", help="One setting of the search; repeatable."
    ),
]
Precision = Annotated[
    choices.PrecisionChoice,
    typer.Option(
        help="Arithmetic of the search; auto: int8 where the CPU has exact 8-bit products."
    ),
]
ScorePrecision = Annotated[
    choices.PrecisionChoice,
    typer.Option(
        help="Arithmetic; auto: as nmt translate has it, so that scores are those of the search; "
        "fp32 for a language model."
    ),
]
Ensemble = Annotated[
    choices.Mean | None,
    typer.Option(
        help="What of several runs is averaged; logits: their log-probabilities.  "
        "[default: probabilities]"
    ),
]
Sample = Annotated[bool, typer.Option("--sample", help="Draw from the model instead of searching.")]
Temperature = Annotated[
    float | None,
    typer.Option(min=0.01, callback=_finite, help="Of drawing: below 1 is more cautious."),
]
TopK = Annotated[
    int | None, typer.Option(min=1, help="Of drawing: only the likeliest so many subwords.")
]
TopP = Annotated[
    float | None,
    typer.Option(
        min=0.01,
        max=1.0,
        callback=_finite,
        help="Of drawing: only the likeliest that make up this.",
    ),
]
DrawingSeed = Annotated[
    int | None, typer.Option("--seed", min=0, help="Of drawing: another seed, other draws.")
]
Mbr = Annotated[
    bool,
    typer.Option(
        "--mbr",
        help="Minimum Bayes risk: choose what is most like all the beam, or with --sample "
        "like all draws (64 without --beam).",
    ),
]
Utility = Annotated[
    choices.MetricName | None,
    typer.Option(help="Of --mbr: what likeness is.  [default: chrf]"),
]
Channel = Annotated[
    Path | None,
    typer.Option(
        metavar="RUN", help="Rank candidates also by a run of the other direction (noisy channel)."
    ),
]
LanguageModel = Annotated[
    Path | None,
    typer.Option("--lm", metavar="RUN", help="Rank candidates also by a language model."),
]
Weights = Annotated[
    str | None,
    typer.Option(
        metavar="NAME=VALUE,...",
        help="Of --channel and --lm: weights of channel, lm and length instead of those that "
        "nmt tune found.",
    ),
]
PrefixColumn = Annotated[
    bool, typer.Option("--prefix-column", help="Lines are SOURCE, TAB, how the translation begins.")
]
Terms = Annotated[
    Path | None,
    typer.Option(metavar="FILE.tsv", help="SOURCE, TAB, TARGET: words that must be translated so."),
]

# --- drawing lines of a language model ----------------------------------------------------------

Prompt = Annotated[
    str | None, typer.Option(metavar="TEXT", help="What every line begins with, to the letter.")
]
Count = Annotated[int, typer.Option("--count", "-n", min=1, help="Lines drawn.")]
MaxLength = Annotated[
    int | None,
    typer.Option(
        min=1, max=10_000, help="Subwords a line may have.  [default: the run's data.max_length]"
    ),
]

# --- translating: looking closely ---------------------------------------------------------------

Alignments = Annotated[
    bool, typer.Option("--alignments", help="Which word stands for which; tsv and jsonl.")
]
SubwordAlignments = Annotated[
    bool, typer.Option("--subword-alignments", help="The same for subwords.")
]
AttentionPlot = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Draw where the model looked: .png, .svg or .pdf, FILE-2 for the second line, …; "
        "- draws it in the terminal, on stderr.",
    ),
]
ReplaceUnknown = Annotated[
    bool,
    typer.Option(
        "--replace-unknown", help="Copy words that the vocabulary cannot spell from the source."
    ),
]
FlagBelow = Annotated[
    float | None,
    typer.Option(
        metavar="SCORE",
        callback=_finite,
        help="Mark what scores below; tsv gets a column of marks.",
    ),
]

# --- scoring and tuning -------------------------------------------------------------------------

CandidatesFile = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Score the candidates that nmt translate wrote: a .jsonl, "
        "or a .tsv whose SOURCE file takes the place of CORPUS.",
    ),
]
Tokens = Annotated[bool, typer.Option("--tokens", help="The log-probability of each subword too.")]
ScoreFormat = Annotated[
    choices.Format, typer.Option(help="text: log-probabilities; tsv and jsonl: ranks as well.")
]
Metric = Annotated[choices.MetricName, typer.Option(help="What is to be high.")]
Rerank = Annotated[
    bool,
    typer.Option("--rerank", help="Tune weights of length and coverage by error rate (MERT)."),
]
Beams = Annotated[
    str | None,
    typer.Option(
        metavar="N,N,...",
        help="The beams to try.  [default: 1,2,3,5,8,12; with --channel or --lm 5,10,20]",
    ),
]

# --- diagnosing ---------------------------------------------------------------------------------

Untrained = Annotated[
    bool, typer.Option("--untrained", help="The run's model as it was before its training.")
]
CompareCells = Annotated[
    bool,
    typer.Option(
        "--compare-cells",
        help="Train the model with rnn, gru and lstm cells too, alike, and set them side by side.",
    ),
]
Steps = Annotated[
    int | None,
    typer.Option(min=1, help="Of --compare-cells: how long each is trained.  [default: 500]"),
]
Sentences = Annotated[
    int, typer.Option(min=1, help="How many pairs of the corpus are looked at, drawn at random.")
]
Reach = Annotated[
    int,
    typer.Option(min=2, max=1_000, help="Subwords that gradients are followed back through."),
]
SamplingSeed = Annotated[
    int, typer.Option("--seed", min=0, help="Another seed, other pairs of the corpus.")
]
DiagnosisFolder = Annotated[
    Path | None,
    typer.Option(
        "--out", metavar="DIR", help="Where figures and page go.  [default: RUN/diagnosis]"
    ),
]

# --- evaluating ---------------------------------------------------------------------------------

RunsAndCorpus = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="RUN... CORPUS...",
        help="The systems, each a run's folder, or RUN1,RUN2 as one model; then the test set: two "
        "aligned files, or one .tsv, .jsonl, .parquet, .tmx, .po or .xliff file, or "
        "hf:NAME[:SPLIT], or a folder that nmt prepare wrote.",
    ),
]
Hypotheses = Annotated[
    list[str] | None,
    typer.Option(
        metavar="[NAME=]FILE",
        help="A file of translations, as one more system; repeatable. Without NAME it stands for "
        "those of the only RUN.",
    ),
]
References = Annotated[
    list[Path] | None,
    typer.Option(metavar="FILE", help="One more reference for each line; repeatable."),
]
StandardTestSet = Annotated[
    str | None,
    typer.Option(
        "--test-set",
        metavar="NAME",
        help="A test set that sacreBLEU knows (wmt14/full), instead of CORPUS; with --langs.",
    ),
]
Lowercase = Annotated[bool, typer.Option("--lowercase", help="Score without regard to case.")]
Tokenize = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="BLEU's tokenizer, by sacreBLEU's name: 13a, intl, zh, ja-mecab, ko-mecab, char, "
        "flores200, spm, none.  [default: 13a]",
    ),
]
Paired = Annotated[
    choices.SignificanceTest,
    typer.Option(
        help="How systems are tested against the first: paired bootstrap, or approximate "
        "randomisation."
    ),
]
Resamples = Annotated[
    int | None,
    typer.Option(
        min=0,
        metavar="N",
        help="Of the bootstrap, for intervals and tests; 0: none.  [default: 1000, "
        "none above 10,000 lines]",
    ),
]
CometModel = Annotated[
    Path | None,
    typer.Option(
        "--comet", metavar="MODEL", help="Score by this COMET model too (pip install 'nmt[comet]')."
    ),
]
Report = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR|FILE.html",
        help="Write a report, with pictures, examples and model cards, as one HTML file; "
        "into DIR the pictures as files too.",
    ),
]
AttentionLines = Annotated[
    str | None,
    typer.Option(
        "--attention",
        metavar="N,N,...",
        help="Of --report: the lines of the test set whose attention it shows.  [default: a dozen "
        "from the worst to the best]",
    ),
]
Details = Annotated[
    bool,
    typer.Option(
        "--details", help="Where the systems go wrong: by groups of lines, and the worst of them."
    ),
]
