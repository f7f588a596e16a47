"""What one sentence costs from a cold start, and when a warm process answers.

    python bench/startup.py RUN [--sentence TEXT] [--rounds N]

The bare interpreter, `import torch`, `nmt translate RUN` and the same with a warm process take
turns; medians of wall-clock seconds and of processor seconds, which other processes on the machine
disturb less. What the warm process itself computes is not among the latter.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence


def measured(command: Sequence[str], text: str, folder: str) -> tuple[float, float]:
    """Seconds of wall clock, and of the process's own computing.

    Args:
        folder: where a warm process is looked for.
    """
    before, started = os.times(), time.perf_counter()
    subprocess.run(
        command,
        input=text.encode(),
        stdout=subprocess.DEVNULL,
        check=True,
        env=os.environ | {"XDG_RUNTIME_DIR": folder},
    )
    wall, after = time.perf_counter() - started, os.times()
    spent = after.children_user + after.children_system
    return wall, spent - before.children_user - before.children_system


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("run", metavar="RUN")
    parser.add_argument("--sentence", default="Guten Morgen!")
    parser.add_argument("--rounds", type=int, default=7)
    asked = parser.parse_args()
    translate = [sys.executable, "-m", "nmt", "translate", asked.run]
    with tempfile.TemporaryDirectory() as empty, tempfile.TemporaryDirectory() as warm:
        ways = {
            "python": ([sys.executable, "-c", "pass"], empty),
            "import torch": ([sys.executable, "-c", "import torch"], empty),
            "nmt translate, cold": (translate, empty),
            "nmt translate, warm": (translate, warm),
        }
        took: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
        measured([*translate, "--keep-warm=1h"], asked.sentence, warm)
        for _ in range(asked.rounds):
            for name, (command, folder) in ways.items():
                took[name].append(measured(command, asked.sentence, folder))
        measured([*translate, "--keep-warm=0"], asked.sentence, warm)
    print(f"{'':20}  {'seconds':>7}  {'computing':>9}")
    for name, each in took.items():
        wall, spent = (statistics.median(values) for values in zip(*each, strict=True))
        print(f"{name:20}  {wall:7.2f}  {spent:9.2f}")


if __name__ == "__main__":
    main()
