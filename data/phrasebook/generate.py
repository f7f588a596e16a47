"""Write the phrasebook: a synthetic German-English corpus for trying the program out.

    python data/phrasebook/generate.py            # rewrites the six files beside this one
    python data/phrasebook/generate.py --out DIR  # writes them elsewhere

The grammar in this folder makes the sentences; this module decides how many of each kind there
are and which of them are kept for validation and test. The seed is fixed and nothing depends on
the machine, so the same bytes come out everywhere.
"""

from __future__ import annotations

import argparse
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from random import Random

import lexicon
from constructions import CONSTRUCTIONS, Construction
from lexicon import Pair
from sampler import Sampler

SEED = 20240229
TRAINING, HELD_OUT = 15_000, 600
LANGUAGES = ("de", "en")

# A word may stand in a held-out sentence only if training keeps it this often.
_FAMILIAR = 4
_PATIENCE = 40


def main() -> None:
    parser = argparse.ArgumentParser(description="Write the phrasebook corpus.")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, metavar="DIR")
    write(parser.parse_args().out, splits())


def splits(seed: int = SEED) -> dict[str, list[Pair]]:
    """Make the whole corpus: training, validation and test pairs."""
    random = Random(seed)
    pairs = list(_unique_pairs(Sampler(random, lexicon.load()), TRAINING + 2 * HELD_OUT))
    pairs = random.sample(pairs, len(pairs))
    held_out, training = _hold_out(pairs, 2 * HELD_OUT)
    return {
        "train": training[:TRAINING],
        "valid": held_out[:HELD_OUT],
        "test": held_out[HELD_OUT:],
    }


def write(folder: Path, corpus: Mapping[str, Sequence[Pair]]) -> None:
    """Write every split as two aligned files."""
    folder.mkdir(parents=True, exist_ok=True)
    for split, pairs in corpus.items():
        for language, side in zip(LANGUAGES, ("german", "english"), strict=True):
            _write_lines(folder / f"{split}.{language}", (getattr(pair, side) for pair in pairs))


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write a file so that it appears whole or not at all."""
    unfinished = path.with_name(f".{path.name}.unfinished")
    unfinished.write_bytes("".join(f"{line}\n" for line in lines).encode("utf-8"))
    unfinished.replace(path)


# --- enough sentences, no two alike --------------------------------------------------------------


def _unique_pairs(sampler: Sampler, wanted: int) -> Iterator[Pair]:
    """Make pairs of every construction by its share, no sentence of either side twice."""
    seen: set[str] = set()
    total = sum(construction.share for construction in CONSTRUCTIONS)
    made = 0
    for construction in CONSTRUCTIONS[1:]:
        quota = round(wanted * construction.share / total)
        for pair in _new_pairs(sampler, construction, quota, seen):
            made += 1
            yield pair
    yield from _new_pairs(sampler, CONSTRUCTIONS[0], wanted - made, seen)


def _new_pairs(
    sampler: Sampler, construction: Construction, quota: int, seen: set[str]
) -> Iterator[Pair]:
    """Make up to `quota` unseen pairs, giving up when a construction runs dry."""
    failures = 0
    while quota and failures < _PATIENCE:
        pair = construction.make(sampler)
        keys = [f"{language} {_key(text)}" for language, text in _sides(pair)]
        if any(key in seen for key in keys):
            failures += 1
            continue
        seen.update(keys)
        quota, failures = quota - 1, 0
        yield pair


def _sides(pair: Pair) -> tuple[tuple[str, str], ...]:
    return ("de", pair.german), ("en", pair.english)


def _key(text: str) -> str:
    """What two sentences must not share: their words, however cased and spaced."""
    return " ".join(text.casefold().split())


# --- what to hold out ----------------------------------------------------------------------------


def _hold_out(pairs: Sequence[Pair], wanted: int) -> tuple[list[Pair], list[Pair]]:
    """Set pairs aside, so long as training still knows every word of them well."""
    left = Counter(word for pair in pairs for word in words_of(pair))
    held_out, training = list[Pair](), list[Pair]()
    for pair in pairs:
        needed = Counter(words_of(pair))
        spare = all(left[word] - count >= _FAMILIAR for word, count in needed.items())
        if spare and len(held_out) < wanted:
            left -= needed
            held_out.append(pair)
        else:
            training.append(pair)
    return held_out, training


def words_of(pair: Pair) -> list[str]:
    """List the words of both sides, marked by language."""
    return [
        f"{language} {word}"
        for language, text in _sides(pair)
        for word in re.findall(r"\w+(?:['-]\w+)*", text)
    ]


if __name__ == "__main__":
    main()
