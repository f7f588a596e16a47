"""How fast nmt translates, beside those that one might choose instead, on the same sentences.

    make bench-translate
    make bench-translate ARGS="--train train.de train.en --valid valid.de valid.en \\
        --test test.de test.en --work DIR --json speeds.json"

`nmt` in fp32, bf16 and int8, OpenNMT-py and JoeyNMT translate with recurrent models of the same
sizes, `nmt` without the input feeding that its peers have; CTranslate2 in int8 with a small
Transformer of OpenNMT-py's. `nmt by default` is the network and the precision that one gets without
asking. All were trained on the same corpus, cut into the same subwords (bench/work.py). Models that
are not in `--work` yet are trained first, which takes hours; a training that was stopped goes on.

In every round each translates in turn, with a beam of five and greedily, on the same number of
threads (bench/translators.py has the commands); the figures are medians over the rounds.

    BLEU            of the test set's translations
    length          of those, in subwords, as a share of the references'
    sentences/s     all of the test set at once, in a process that has translated it once before
    tokens/s        the same in subwords of the translations, EOS included
    one by one      sentences/s and tokens/s in that process, each sentence alone; the first 100
    file, s         wall clock of the whole command for the test set, from its start to its end
    one line, s     the same for its first sentence; compare with what `import torch` takes
    peak MiB        resident memory of the command for the test set, looked at ten times a second
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from systems import HERE, Checkpoint, System
from translators import NmtTranslator, Request, Translator, everyone
from watch import Cost, cost
from work import Task, write_lines

from nmt.console import print_table
from nmt.scoring import bleu

PHRASEBOOK = HERE.parent / "data" / "phrasebook"
BEAMS = (5, 1)
SINGLES = 100  # sentences that are translated one by one


# --- models -------------------------------------------------------------------------------------


def trained(system: System, task: Task, updates: int | None) -> Checkpoint:
    """The system's model, trained now if it is not there."""
    wanted = updates or system.enough
    folder = task.folder / system.name.lower().replace(" ", "-")
    folder.mkdir(exist_ok=True)
    found = system.checkpoint(folder)
    if found is None or found.updates < wanted:
        log = folder.with_suffix(".log")
        print(f"training {system.name}, {wanted:,} updates; see {log}", file=sys.stderr)
        command = system.training(task, folder, folder.with_suffix(".marks"), wanted)
        cost(command, task.threads, log, system.variables)
        found = system.checkpoint(folder)
    if found is None:
        raise SystemExit(f"{folder}: the training left no model")
    return found


@dataclass(frozen=True)
class Contender:
    """A system, and the model that it translates with."""

    translator: Translator
    model: Path
    updates: int  # of its training

    @property
    def name(self) -> str:
        return self.translator.name


# --- one measurement ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Test:
    """What is translated: the same sentences as text and as subwords, and their translations."""

    task: Task
    sources: Sequence[str]
    references: Sequence[str]

    def lines(self, translator: Translator) -> Sequence[str]:
        return self.task.pieces_of(self.sources) if translator.reads_pieces else self.sources

    def text(self, translator: Translator, translations: Sequence[str]) -> Sequence[str]:
        return self.task.text_of(translations) if translator.reads_pieces else translations


@dataclass(frozen=True)
class Measurement:
    """What one turn of one system showed."""

    system: str
    beam: int
    round: int
    bleu: float
    tokens: int  # of all translations
    single_tokens: int  # of those of the sentences that were translated one by one
    length: float  # as a share of the references'
    seconds: float  # for all sentences, in a process that is warm
    single_seconds: Sequence[float]  # for each sentence alone, there
    file_seconds: float  # of the whole command
    line_seconds: float  # of the whole command, for one sentence
    peak_bytes: int


def measure(contender: Contender, test: Test, beam: int, number: int) -> Measurement:
    """Let a system translate: with the whole command, twice, and in a process that goes on."""
    translator, task = contender.translator, test.task
    lines = test.lines(translator)
    with tempfile.TemporaryDirectory() as name:
        file, line = Path(name) / "file", Path(name) / "line"
        write_lines(file, lines)
        write_lines(line, lines[:1])
        whole, written = _commanded(contender, Request(file, beam, task.threads))
        single, _ = _commanded(contender, Request(line, beam, task.threads))
        warm = _decoded(contender, Request(file, beam, task.threads))
    if not len(lines) == len(written) == len(warm.translations):
        raise SystemExit(f"{contender.name} wrote {len(written)} lines for {len(lines)}")
    text = test.text(translator, written)
    tokens = task.target_tokens(text)
    return Measurement(
        contender.name,
        beam,
        number,
        bleu(text, test.references),
        tokens,
        task.target_tokens(text[: len(warm.singles)]),
        tokens / task.target_tokens(test.references),
        warm.seconds,
        warm.singles,
        whole.seconds,
        single.seconds,
        whole.peak_bytes,
    )


def _commanded(contender: Contender, request: Request) -> tuple[Cost, Sequence[str]]:
    """What a system's command cost, and the lines in its output, or else on stdout."""
    translator = contender.translator
    command = translator.command(contender.model, request)
    log, said = request.source.with_suffix(".log"), request.source.with_suffix(".said")
    variables = translator.trainer.variables
    spent = cost(command, request.threads, log, variables, request.source, said)
    output = request.output if request.output.exists() else said
    return spent, output.read_text(encoding="utf-8").splitlines()


@dataclass(frozen=True)
class Decoded:
    """What bench/decode.py found."""

    seconds: float
    singles: Sequence[float]  # seconds
    translations: Sequence[str]


def _decoded(contender: Contender, request: Request) -> Decoded:
    translator, result = contender.translator, request.source.with_suffix(".json")
    command = translator.decoding(contender.model, request, SINGLES, result)
    log = request.source.with_suffix(".log")
    cost(command, request.threads, log, translator.trainer.variables)
    return Decoded(**json.loads(result.read_text(encoding="utf-8")))


# --- all rounds ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Summary:
    """Medians of a system's turns with one beam."""

    system: str
    beam: int
    updates: int  # of the model's training
    bleu: float
    length: float
    sentences_per_second: float
    tokens_per_second: float
    single_sentences_per_second: float
    single_tokens_per_second: float
    file_seconds: float
    line_seconds: float
    peak_bytes: float


@dataclass(frozen=True)
class Ratio:
    """An nmt as a multiple of another system, with the same beam."""

    system: str
    other: str
    beam: int
    sentences_per_second: float
    single_sentences_per_second: float
    peak_bytes: float
    bleu_difference: float


@dataclass(frozen=True)
class Report:
    """All that was found."""

    about: dict[str, str]
    import_torch: float  # seconds
    systems: list[Summary]
    ratios: list[Ratio]
    measurements: list[Measurement]


def compare(contenders: Sequence[Contender], test: Test, rounds: int) -> Report:
    """Let everyone have a turn in every round, and sum up."""
    imports: list[float] = []
    found: list[Measurement] = []
    for number in range(1, rounds + 1):
        imports.append(_import_torch(test.task.threads))
        for beam in BEAMS:
            for contender in contenders:
                found.append(measure(contender, test, beam, number))
                speed = len(test.sources) / found[-1].seconds
                told = f"round {number}, beam {beam}, {contender.name}: {speed:,.0f} sentences/s"
                print(told, file=sys.stderr)
    summaries = [
        _summary(contender, [each for each in found if each.beam == beam], len(test.sources))
        for beam in BEAMS
        for contender in contenders
    ]
    ours = [each.name for each in contenders if isinstance(each.translator, NmtTranslator)]
    ratios = list(_ratios(summaries, ours))
    return Report(_about(test), statistics.median(imports), summaries, ratios, found)


def _import_torch(threads: int) -> float:
    with tempfile.TemporaryDirectory() as name:
        command = [sys.executable, "-c", "import torch"]
        return cost(command, threads, Path(name) / "log", {}).seconds


def _summary(contender: Contender, turns: Sequence[Measurement], sentences: int) -> Summary:
    own = [turn for turn in turns if turn.system == contender.name]
    seconds = statistics.median(turn.seconds for turn in own)
    single = statistics.median(sum(turn.single_seconds) for turn in own)
    last = own[-1]
    return Summary(
        contender.name,
        last.beam,
        contender.updates,
        last.bleu,
        last.length,
        sentences / seconds,
        last.tokens / seconds,
        len(last.single_seconds) / single,
        last.single_tokens / single,
        statistics.median(turn.file_seconds for turn in own),
        statistics.median(turn.line_seconds for turn in own),
        statistics.median(turn.peak_bytes for turn in own),
    )


def _ratios(summaries: Sequence[Summary], ours: Sequence[str]) -> Iterator[Ratio]:
    for own in summaries:
        for other in summaries:
            if own.beam == other.beam and own.system in ours and other.system not in ours:
                yield Ratio(
                    own.system,
                    other.system,
                    own.beam,
                    own.sentences_per_second / other.sentences_per_second,
                    own.single_sentences_per_second / other.single_sentences_per_second,
                    own.peak_bytes / other.peak_bytes,
                    own.bleu - other.bleu,
                )


def _about(test: Test) -> dict[str, str]:
    return test.task.about() | {"test set": f"{len(test.sources):,} sentences"}


# --- the command --------------------------------------------------------------------------------


def main() -> None:
    options = _options()
    options.work.mkdir(parents=True, exist_ok=True)
    task = Task.make(options.work.resolve(), options.train, options.valid, options.threads)
    test = _test(task, options.test, options.sentences)
    everything = everyone(options.peers.resolve())
    contenders = []
    for name in options.systems or everything:
        translator = everything[name]
        translator.install()
        checkpoint = trained(translator.trainer, task, options.updates)
        model = translator.prepare(checkpoint)
        contenders.append(Contender(translator, model, checkpoint.updates))
    report = compare(contenders, test, options.rounds)
    _show(report)
    if options.json:
        options.json.write_text(json.dumps(asdict(report), indent=2) + "\n", encoding="utf-8")


def _test(task: Task, files: Sequence[Path], most: int) -> Test:
    """The first sentences of the test set; a blank one is none."""
    source, target = (path.read_text(encoding="utf-8").splitlines() for path in files)
    pairs = [pair for pair in zip(source, target, strict=True) if pair[0].strip()][:most]
    return Test(task, *zip(*pairs, strict=True))


def _show(report: Report) -> None:
    for what, value in report.about.items():
        print(f"{what}: {value}")
    print(f"import torch: {report.import_torch:.2f} s")
    for beam in BEAMS:
        print("\ngreedy" if beam == 1 else f"\nbeam of {beam}")
        rows = (_row(each) for each in report.systems if each.beam == beam)
        print_table(rows, _HEADER, sys.stdout)
        ratios = [_ratio_row(each) for each in report.ratios if each.beam == beam]
        if ratios:
            print()
            print_table(ratios, _RATIO_HEADER, sys.stdout)


_HEADER = (
    "system",
    "updates",
    "BLEU",
    "length",
    "sentences/s",
    "tokens/s",
    "one by one: sentences/s",
    "tokens/s",
    "file, s",
    "one line, s",
    "peak MiB",
)


def _row(summary: Summary) -> Sequence[str]:
    return (
        summary.system,
        f"{summary.updates:,}",
        f"{summary.bleu:.1f}",
        f"{summary.length:.2f}",
        f"{summary.sentences_per_second:,.0f}",
        f"{summary.tokens_per_second:,.0f}",
        f"{summary.single_sentences_per_second:,.1f}",
        f"{summary.single_tokens_per_second:,.0f}",
        f"{summary.file_seconds:.2f}",
        f"{summary.line_seconds:.2f}",
        f"{summary.peak_bytes / 2**20:,.0f}",
    )


_RATIO_HEADER = ("as a multiple of", "", "sentences/s", "one by one", "peak memory", "BLEU")


def _ratio_row(ratio: Ratio) -> Sequence[str]:
    return (
        ratio.system,
        ratio.other,
        f"{ratio.sentences_per_second:.2f}",
        f"{ratio.single_sentences_per_second:.2f}",
        f"{ratio.peak_bytes:.2f}",
        f"{ratio.bleu_difference:+.1f}",
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Translation speed of nmt and of its peers.")
    for part, what in (
        ("train", "the corpus"),
        ("valid", "for validation"),
        ("test", "a test set"),
    ):
        parser.add_argument(
            f"--{part}",
            nargs=2,
            type=Path,
            metavar=("SRC", "TGT"),
            default=(PHRASEBOOK / f"{part}.de", PHRASEBOOK / f"{part}.en"),
            help=f"{what}; the bundled phrasebook's without it",
        )
    parser.add_argument(
        "--work",
        type=Path,
        metavar="DIR",
        default=HERE / "models",
        help="what is trained stays here",
    )
    parser.add_argument(
        "--updates",
        type=int,
        help="of each training; a model that has had as many is taken as it is "
        "(1: any that is there). Without it as many as bench/systems.py has for each",
    )
    parser.add_argument("--systems", nargs="+", choices=list(everyone(Path())), help="only these")
    parser.add_argument("--rounds", type=int, default=3, help="turns that each system has")
    parser.add_argument("--sentences", type=int, default=1_000, help="of the test set, at most")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument(
        "--peers", type=Path, metavar="DIR", default=HERE / "peers", help="their environments"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="every figure goes there too")
    return parser.parse_args()


if __name__ == "__main__":
    main()
