"""What the attention's weights say about a translation: which words stand for which, what was left
out, and where a word belongs that the vocabulary cannot spell.

    T target subwords, S source subwords
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from nmt.subwords import MARK, as_text
from nmt.words import has_letters, words

Links = tuple[tuple[int, int], ...]
"""An alignment: (source, target) numbers, in order."""


@dataclass(frozen=True, eq=False)
class Attention:
    """Where the translation of a line, or of a part of a long one, looked."""

    source: tuple[str, ...]  # [S] subwords as the line has them
    words: tuple[int, ...]  # [S] the whitespace word of the line that each stands in
    target: tuple[str, ...]  # [T]
    weights: np.ndarray  # [T + 1, S + 1] each row a distribution; EOS is the last on either side

    @property
    def best(self) -> np.ndarray:
        """The source subword that each target subword's weight is largest on, EOS aside: [T]."""
        best: np.ndarray = self.weights[:-1, :-1].argmax(axis=1)
        return best


def subword_links(parts: Iterable[Attention]) -> Links:
    """Each target subword of a line with its best source subword."""
    links, source, target = [], 0, 0
    for part in parts:
        pairs = enumerate(map(int, part.best))
        links += [(source + at, target + number) for number, at in pairs]
        source, target = source + len(part.source), target + len(part.target)
    return tuple(links)


def word_links(parts: Iterable[Attention]) -> Links:
    """Which whitespace words of a line are linked by any of their subwords."""
    links, target = set[tuple[int, int]](), 0
    for part in parts:
        theirs = _numbers(part.target, target)
        links |= {(part.words[at], theirs[number]) for number, at in enumerate(map(int, part.best))}
        target = max(theirs, default=target - 1) + 1
    return tuple(sorted(links))


def coverage(parts: Sequence[Attention]) -> float:
    """How much of the source was looked at: a subword counts 1 when its weights add up to 1."""
    looked = [np.minimum(part.weights[:, :-1].sum(axis=0), 1.0) for part in parts]
    return float(np.concatenate(looked).mean())


def _numbers(pieces: Sequence[str], first: int) -> list[int]:
    """The number of each subword's whitespace word in a translation, counted from `first`.

    A word's mark alone, with no letter before the next mark, is no word: it goes with the one
    before it.
    """
    number, begun, numbers = first - 1, True, []
    for piece in pieces:
        begun = begun or piece.startswith(MARK)
        if begun and piece.strip(MARK):
            number, begun = number + 1, False
        numbers.append(max(first, number))
    return numbers


# --- words that the vocabulary cannot spell -----------------------------------------------------


@dataclass(frozen=True)
class _Unknown:
    """A word of the source to be copied."""

    text: str
    columns: frozenset[int]  # its subwords
    spaced: bool  # whether there is a space before it


def replace_unknown(
    attention: Attention, unknown: Sequence[int], produced: Sequence[int]
) -> Attention:
    """Copy the source's unknown words into the translation.

    What looked at such a word most is replaced by it (Luong et al. 2015b, Jean et al. 2015). One
    that nothing looked at, or that is no word but a symbol, comes after the translation of what
    stands before it.

    Args:
        unknown: which source subwords the vocabulary does not have.
        produced: which target subwords are `<unk>`; each becomes the word that it looked at.
    """
    best = attention.best
    copied = _words_of(attention.source, unknown)
    asked = _words_of(attention.source, [int(best[at]) for at in produced])
    known = {column for word in copied for column in word.columns}
    copied += [word for word in asked if not word.columns & known]
    copied.sort(key=lambda word: min(word.columns))
    atoms = _atoms(attention.target)
    filled = [[at for at in atom if attention.target[at].strip(MARK)] for atom in atoms]
    owners = [_owner(atom, best, copied, produced) for atom in filled]
    return _rebuilt(attention, atoms, _one_run_each(owners, atoms, attention, copied), copied)


def _words_of(pieces: Sequence[str], chosen: Iterable[int]) -> list[_Unknown]:
    """The words that these subwords are parts of; several unknown ones may be of one word."""
    text, spans = _spelled(pieces)
    found: dict[tuple[int, int], _Unknown] = {}
    for number in chosen:
        first, last = spans[number]
        touched = [(a, z) for a, z in words(text) if a < last and z > first]
        if not touched:
            continue
        start, end = touched[0][0], touched[-1][1]
        columns = frozenset(
            i for i, (a, z) in enumerate(spans) if a < end and z > start and text[a:z].strip()
        )
        found[start, end] = _Unknown(text[start:end], columns, text[start - 1 : start] in (" ", ""))
    return list(found.values())


def _spelled(pieces: Sequence[str]) -> tuple[str, list[tuple[int, int]]]:
    """The text of subwords, and where each of them is in it."""
    ends = np.cumsum([0, *map(len, pieces)]).tolist()
    return as_text("".join(pieces)), list(pairwise(ends))


def _atoms(pieces: Sequence[str]) -> list[range]:
    """The fewest subwords that no word goes across; a mark alone goes with what follows it."""
    text, spans = _spelled(pieces)
    inner = {at for start, end in words(text) for at in range(start + 1, end)}
    starts = [
        number
        for number, (start, _) in enumerate(spans)
        if start not in inner and not (number and not pieces[number - 1].strip(MARK))
    ]
    return [range(start, end) for start, end in pairwise([*starts, len(pieces)])]


def _owner(
    atom: Sequence[int], best: np.ndarray, copied: Sequence[_Unknown], produced: Sequence[int]
) -> int | None:
    """The unknown word that an atom is to be replaced by: most of it looked there."""
    certain = [at for at in atom if at in produced]
    for number, word in enumerate(copied):
        if any(best[at] in word.columns for at in certain):
            return number
        looked = sum(int(best[at]) in word.columns for at in atom)
        if has_letters(word.text) and 2 * looked > len(atom):
            return number
    return None


def _one_run_each(
    owners: Sequence[int | None],
    atoms: Sequence[range],
    attention: Attention,
    copied: Sequence[_Unknown],
) -> list[int | None]:
    """Of the separate places that a word would be copied to, the one with most weight on it."""
    kept: list[int | None] = [None] * len(atoms)
    for number, word in enumerate(copied):
        runs: list[list[int]] = []
        for at, owner in enumerate(owners):
            if owner != number:
                continue
            if runs and runs[-1][-1] == at - 1:
                runs[-1].append(at)
            else:
                runs.append([at])

        def weight(run: list[int], columns: frozenset[int] = word.columns) -> float:
            rows = [row for at in run for row in atoms[at]]
            return float(attention.weights[np.ix_(rows, sorted(columns))].sum())

        for at in max(runs, key=weight, default=()):
            kept[at] = number
    return kept


def _rebuilt(
    attention: Attention,
    atoms: Sequence[range],
    owners: Sequence[int | None],
    copied: Sequence[_Unknown],
) -> Attention:
    """The translation with each copied word in its place."""
    best, size = attention.best, attention.weights.shape[1]
    after: dict[int, int] = {}  # which atom a source subword's translation ends with
    for number, atom in enumerate(atoms):
        after |= {int(best[at]): number for at in atom if owners[number] is None}
    entries: list[tuple[tuple[int, int], str, np.ndarray]] = []
    for number, word in enumerate(copied):
        run = [at for at, owner in enumerate(owners) if owner == number]
        if run:
            rows = attention.weights[[row for at in run for row in atoms[at]]]
            spaced = attention.target[atoms[run[0]].start].startswith(MARK)
            place, row, key = run[-1], rows.mean(axis=0), (run[0], 0)
        else:
            ahead = range(min(word.columns))
            before = [at for at in ahead if at in after and attention.source[at].strip(MARK)]
            place = after[max(before)] if before else -1
            row = np.zeros(size, attention.weights.dtype)
            row[sorted(word.columns)] = 1 / len(word.columns)
            spaced, key = word.spaced, (place, 1 + number)
        after |= dict.fromkeys(word.columns, place)
        entries.append((key, MARK * spaced + word.text, row))
    for number, atom in enumerate(atoms):
        if owners[number] is None:
            entries += [((number, 0), attention.target[at], attention.weights[at]) for at in atom]
    entries.sort(key=lambda entry: entry[0])
    rows = np.stack([*(row for _, _, row in entries), attention.weights[-1]])
    return replace(attention, target=tuple(piece for _, piece, _ in entries), weights=rows)
