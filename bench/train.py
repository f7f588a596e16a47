"""How fast nmt trains, beside OpenNMT-py and JoeyNMT, on the same work in the same minutes.

    make bench-train
    make bench-train ARGS="--train corpus.de corpus.en --json speeds.json"

Every round trains with each system in turn, `nmt` in bf16 and in fp32 and the peers in fp32, and
the figures are medians over the rounds: a machine drifts, so only what ran side by side is
compared. bench/work.py says what the same work is, bench/others.py how the peers are installed.

Counted is what bench/meter.py writes down within the system's own process, the same way for all:
the target tokens of the losses that went into each update, EOS included, padding not. When
`WARM_UP` seconds have passed since the first update a window opens with the next one, and it closes
with the first update after `--seconds`; the speed is the tokens of the updates within it over the
time between its two ends. Data loading is inside, validation and saving do not happen.

    first update    seconds from the command to it; the corpus is encoded by then
    peak MiB        resident memory of the process and its children, looked at five times a second,
                    the pages that children share counted once
    MFLOP/token     bench/systems.py has the formula
    of the ceiling  operations done for real tokens, as a share of what the machine reaches in
                    2048³ products of the system's kind: float32 as torch comes, float32 through
                    oneDNN (set_float32_matmul_precision("medium")), or bfloat16. A machine drifts
                    within a round too, so they run for `PRODUCTS` seconds just before and just
                    after each training, and the mean of the two medians is what it could have had
    of its best     the same as a share of the fastest of these products
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from others import JoeyNMT, OpenNMT, Peer
from systems import HERE, Nmt, System
from watch import running
from work import Task

from nmt.console import print_table

PHRASEBOOK = HERE.parent / "data" / "phrasebook"
WARM_UP = 15.0  # seconds
PATIENCE = 600.0  # seconds that a system may take for its first update
LOOK_EVERY = 0.2  # seconds
PRODUCTS = 2.0  # seconds


# --- the machine --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Ceiling:
    """Operations a second in 2048³ products, for a while."""

    median: float
    best: float


def ceiling(product: str) -> Ceiling:
    """What the machine reaches now in products of a kind, one of `_CEILINGS`."""
    kind, precision = _CEILINGS[product]
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(precision)
    size, seconds = 2048, list[float]()
    left, right = (torch.ones(size, size, dtype=kind) for _ in range(2))
    while sum(seconds) < PRODUCTS:
        started = time.perf_counter()
        torch.mm(left, right)
        seconds.append(time.perf_counter() - started)
    torch.set_float32_matmul_precision(before)
    return Ceiling(2 * size**3 / statistics.median(seconds), 2 * size**3 / min(seconds))


_CEILINGS = {
    "fp32": (torch.float32, "highest"),
    "fp32, oneDNN": (torch.float32, "medium"),
    "bf16": (torch.bfloat16, "highest"),
}


# --- one training -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Training:
    """What one training of one system showed."""

    system: str
    round: int
    tokens_per_second: float
    tokens_per_update: float
    updates: int  # within the window
    first_update: float  # seconds
    peak_bytes: int
    share_of_ceiling: float
    share_of_best: float
    ceilings: tuple[Ceiling, Ceiling]  # before and after it


@dataclass(frozen=True)
class Mark:
    """An update: when it was done, and the target tokens in it."""

    time: float
    tokens: int


def train(system: System, task: Task, number: int, seconds: float) -> Training:
    """Start a training, watch it until its window closes, and end it."""
    before = ceiling(system.product)
    with tempfile.TemporaryDirectory() as name:
        folder, marks = Path(name) / "run", Path(name) / "marks"
        folder.mkdir()
        command = system.training(task, folder, marks)
        started, peak = time.monotonic(), 0
        with running(command, task.threads, Path(name) / "log", system.variables) as process:
            while not (window := _window(_read(marks), seconds)):
                late = not _read(marks) and time.monotonic() - started > PATIENCE
                if late or process.ended():
                    process.give_up("did not train")
                peak = max(peak, process.resident())
                time.sleep(LOOK_EVERY)
        first, updates = _read(marks)[0], window[1:]
        tokens = sum(mark.tokens for mark in updates)
        speed = tokens / (window[-1].time - window[0].time)
        done, after = speed * system.operations(task), ceiling(system.product)
        return Training(
            system.name,
            number,
            speed,
            tokens / len(updates),
            len(updates),
            first.time - started,
            peak,
            done / ((before.median + after.median) / 2),
            done / max(before.best, after.best),
            (before, after),
        )


def _read(path: Path) -> list[Mark]:
    """The marks that are there, but for a last line that is half written."""
    if not path.exists():
        return []
    *lines, _ = path.read_text(encoding="ascii").split("\n")
    return [Mark(float(when), int(tokens)) for when, tokens in map(str.split, lines)]


def _window(marks: Sequence[Mark], seconds: float) -> Sequence[Mark]:
    """The marks from the one that opens the window to the one that closes it; none before that."""
    warm = [mark for mark in marks if mark.time >= marks[0].time + WARM_UP]
    for number, mark in enumerate(warm):
        if mark.time >= warm[0].time + seconds:
            return warm[: number + 1]
    return ()


# --- all rounds ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Summary:
    """Medians of a system's trainings, and what follows from them."""

    system: str
    tokens_per_second: float
    tokens_per_update: float
    first_update: float
    peak_bytes: float
    operations_per_token: float
    product: str  # the kind of its ceiling
    ceiling: float
    share_of_ceiling: float
    share_of_best: float


@dataclass(frozen=True)
class Report:
    """All that was found."""

    about: dict[str, str]
    systems: list[Summary]
    times_the_faster_peer: dict[str, float]
    trainings: list[Training]


def compare(systems: Sequence[System], task: Task, rounds: int, seconds: float) -> Report:
    """Train with every system in every round, and sum up."""
    trainings: list[Training] = []
    for number in range(1, rounds + 1):
        for system in systems:
            trainings.append(train(system, task, number, seconds))
            speed, share = trainings[-1].tokens_per_second, trainings[-1].share_of_ceiling
            found = f"{speed:,.0f} tokens/s, {share:.1%} of the ceiling"
            print(f"round {number}, {system.name}: {found}", file=sys.stderr)
    summaries = [_summary(system, task, trainings) for system in systems]
    return Report(_about(task), summaries, _ratios(summaries, systems), trainings)


def _summary(system: System, task: Task, trainings: Sequence[Training]) -> Summary:
    own = [training for training in trainings if training.system == system.name]

    def median(figure: str) -> float:
        return float(statistics.median(getattr(training, figure) for training in own))

    return Summary(
        system.name,
        median("tokens_per_second"),
        median("tokens_per_update"),
        median("first_update"),
        median("peak_bytes"),
        system.operations(task),
        system.product,
        statistics.median(limit.median for training in own for limit in training.ceilings),
        median("share_of_ceiling"),
        median("share_of_best"),
    )


def _ratios(summaries: Sequence[Summary], systems: Sequence[System]) -> dict[str, float]:
    """The speed of each nmt as a multiple of the faster peer's."""
    peers = [system.name for system in systems if isinstance(system, Peer)]
    fastest = max(each.tokens_per_second for each in summaries if each.system in peers)
    ours = [each for each in summaries if each.system not in peers]
    return {each.system: each.tokens_per_second / fastest for each in ours}


def _about(task: Task) -> dict[str, str]:
    source, target = task.source_lengths.mean(), task.target_lengths.mean()
    return task.about() | {
        "tokens in a sentence": f"{source:.1f} source, {target:.1f} target (with EOS)",
    }


# --- the command --------------------------------------------------------------------------------


def main() -> None:
    options = _options()
    torch.set_num_threads(options.threads)
    folder = options.peers.resolve()
    peers: list[Peer] = [OpenNMT(folder), JoeyNMT(folder)]
    for peer in peers:
        peer.install()
    with tempfile.TemporaryDirectory() as name:
        task = Task.make(Path(name), options.train, (), options.threads)
        systems = [Nmt("bf16"), Nmt("fp32"), *peers]
        report = compare(systems, task, options.rounds, options.seconds)
    _show(report)
    if options.json:
        options.json.write_text(json.dumps(asdict(report), indent=2) + "\n", encoding="utf-8")


def _show(report: Report) -> None:
    for what, value in report.about.items():
        print(f"{what}: {value}")
    print_table(map(_row, report.systems), _HEADER, sys.stdout)
    for system, ratio in report.times_the_faster_peer.items():
        print(f"{system}: {ratio:.2f} times the faster peer")


_HEADER = (
    "system",
    "tokens/s",
    "tokens/update",
    "first update, s",
    "peak MiB",
    "MFLOP/token",
    "GFLOP/s",
    "of the ceiling",
    "of its best",
)


def _row(summary: Summary) -> Sequence[str]:
    return (
        summary.system,
        f"{summary.tokens_per_second:,.0f}",
        f"{summary.tokens_per_update:,.0f}",
        f"{summary.first_update:.1f}",
        f"{summary.peak_bytes / 2**20:,.0f}",
        f"{summary.operations_per_token / 1e6:.1f}",
        f"{summary.tokens_per_second * summary.operations_per_token / 1e9:.0f}",
        f"{summary.share_of_ceiling:.0%} of {summary.product}, {summary.ceiling / 1e9:.0f}",
        f"{summary.share_of_best:.0%}",
    )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Training speed of nmt and of its peers.")
    parser.add_argument(
        "--train",
        nargs=2,
        type=Path,
        metavar=("SRC", "TGT"),
        default=(PHRASEBOOK / "train.de", PHRASEBOOK / "train.en"),
        help="the corpus; the bundled phrasebook without it",
    )
    parser.add_argument("--rounds", type=int, default=3, help="times that each system trains")
    parser.add_argument("--seconds", type=float, default=60, help="length of a measurement")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument(
        "--peers", type=Path, metavar="DIR", default=HERE / "peers", help="their environments"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="every figure goes there too")
    return parser.parse_args()


if __name__ == "__main__":
    main()
