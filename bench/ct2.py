"""CTranslate2's command line, which it lacks: lines of subwords on stdin, translated on stdout.

    python bench/ct2.py MODEL BEAM THREADS < source > translations

The calls are those of its documentation, in int8. Each thread takes a batch of its own: on two
threads that gave three times the sentences a second of both threads in one batch, with a single
sentence too (on a busy machine), and 32 sentences as many as 16 and more than 64.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import ctranslate2

BATCH = 32  # sentences


def translate(translator: ctranslate2.Translator, lines: Sequence[str], beam: int) -> list[str]:
    results = translator.translate_batch(
        [line.split() for line in lines], beam_size=beam, max_batch_size=BATCH
    )
    return [" ".join(result.hypotheses[0]) for result in results]


def main() -> None:
    model, beam, threads = sys.argv[1:]
    translator = ctranslate2.Translator(
        model, compute_type="int8", inter_threads=int(threads), intra_threads=1
    )
    for line in translate(translator, sys.stdin.read().splitlines(), int(beam)):
        print(line)


if __name__ == "__main__":
    main()
