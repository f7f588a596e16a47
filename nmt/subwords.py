"""Text to subword ids and back, by SentencePiece.

One model for both languages, or one a side; which of the two is known here only. The four special
ids are named here and nowhere else.
"""

from __future__ import annotations

import io
import math
import random
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import chain, pairwise
from pathlib import Path

import sentencepiece as spm

from nmt.config import DataSettings
from nmt.errors import NmtError, RunError

PAD, BOS, EOS, UNK = 0, 1, 2, 3
SPECIALS = 4

Ids = list[int]

MARK = "▁"  # the start of a whitespace word, as SentencePiece writes it

_DRAWS = 8  # segmentations of a word in an era
_REMEMBERED = 1 << 17  # segmentations, those asked for last
_NBEST = 32  # of a word's segmentations, for sampling from a unigram model
LONGEST_TRAINING_LINE = 16_384  # bytes; SentencePiece leaves longer lines out of its training
_THREADS = 4  # of the learning, on every machine: what a unigram model adds up depends on them
_COVERAGES = (1 - 1e-5, 0.9995, 0.995, 0.98)  # of the characters; the first that fits


class Subwords:
    """One language's (or both languages') subword model. Ids carry no BOS or EOS."""

    def __init__(self, proto: bytes) -> None:
        if not proto:
            raise RuntimeError("it is empty")
        self.proto = proto
        self._processor = spm.SentencePieceProcessor(model_proto=proto)
        self._pieces: list[str] = self._processor.id_to_piece(list(range(len(self))))
        # A BPE model scores its pieces by rank (0, -1, -2, …), a unigram model by log-probability.
        first = range(SPECIALS, min(SPECIALS + 3, len(self)))
        self._is_bpe = all(self._processor.get_score(i) == -float(n) for n, i in enumerate(first))
        self._drawn = lru_cache(_REMEMBERED)(self._draw)

    def __len__(self) -> int:
        return int(self._processor.vocab_size())

    @cached_property
    def _scores(self) -> dict[str, float]:
        """Of the pieces that a text may be made of."""
        ids = range(SPECIALS, len(self))
        return {self._pieces[i]: self._processor.get_score(i) for i in ids}

    def __reduce__(self) -> tuple[type[Subwords], tuple[bytes]]:
        return Subwords, (self.proto,)

    def encode(self, lines: Sequence[str]) -> list[Ids]:
        """The one best segmentation of each line."""
        ids: list[Ids] = self._processor.encode(list(lines), num_threads=1)
        return ids

    def sample(
        self, lines: Iterable[str], strength: float, seed: int, era: int = 0
    ) -> Iterator[Ids]:
        """Random segmentations, line by line, the same for the same seed on every machine.

        BPE: each merge is passed over with probability `strength` (Provilkov et al. 2020).
        Unigram: drawn from a word's best segmentations with exponent 1 − `strength` (Kudo 2018).
        Pieces never cross a word's boundary, so a line is drawn word by word. (SentencePiece's
        own sampling cannot be repeated in another process, whatever its seed.)

        Args:
            era: in each a word has a few segmentations, of which the seed chooses; they are
                remembered, since frequent words are most of a text.
        """
        generator, first = random.Random(seed), era * _DRAWS
        for line in lines:
            words = filter(None, self._processor.normalize(line).split(MARK))
            drawn = (
                self._drawn(word, strength, first + int(_DRAWS * generator.random()))
                for word in words
            )
            yield list(chain.from_iterable(drawn))

    def _draw(self, word: str, strength: float, number: int) -> Ids:
        """The segmentation of a word that has this number: it follows from the two alone."""
        generator = random.Random(f"{number} {strength} {word}")
        draw = self._draw_bpe if self._is_bpe else self._draw_unigram
        return draw(MARK + word, strength, generator)

    def _draw_bpe(self, word: str, dropout: float, generator: random.Random) -> Ids:
        symbols = list(word)
        while True:
            merges = [
                (self._scores[pair], at)
                for at, pair in enumerate(map("".join, pairwise(symbols)))
                if pair in self._scores and generator.random() >= dropout
            ]
            if not merges:
                return [self._processor.piece_to_id(symbol) for symbol in symbols]
            _, at = max(merges, key=lambda merge: (merge[0], -merge[1]))
            symbols[at : at + 2] = ["".join(symbols[at : at + 2])]

    def _draw_unigram(self, word: str, strength: float, generator: random.Random) -> Ids:
        best = self._processor.nbest_encode(word.removeprefix(MARK), nbest_size=_NBEST)
        scores = [sum(map(self._processor.get_score, ids)) for ids in best]
        weights = [math.exp((1 - strength) * (score - max(scores))) for score in scores]
        ids: Ids = generator.choices(best, weights)[0]
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """One line of text; special ids are none but `<unk>`."""
        return text_of(self.pieces([i for i in ids if i >= SPECIALS or i == UNK]))

    def surfaces(self, line: str) -> list[str]:
        """The subwords of `encode`; what is unknown stands as it is in the line."""
        pieces: list[str] = self._processor.encode(line, out_type=str)
        return pieces

    def in_words(self, line: str) -> list[tuple[str, int]]:
        """The surfaces, each with the number, from 0, of the line's whitespace word that it stands
        in; a mark alone goes with the word before it."""
        starts, found = [word.start() for word in re.finditer(r"\S+", line)], []
        spelled, word = self._processor.encode(line, return_type="offset_mapping"), 0
        for piece, span in zip(spelled["pieces"], spelled["offsets"], strict=True):
            if piece.strip(MARK):
                word = max(0, bisect_right(starts, _said_at(line, *span)) - 1)
            found.append((piece, word))
        return found

    def writes_like(self, other: Subwords) -> bool:
        """Whether the same ids say the same in both."""
        every = range(len(self))
        return self.proto == other.proto or (
            len(self) == len(other) and self.pieces(every) == other.pieces(every)
        )

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """The subwords themselves."""
        return [self._pieces[i] for i in ids]

    def starts_word(self, piece_id: int) -> bool:
        """Whether this subword begins a whitespace word."""
        return self._pieces[piece_id].startswith(MARK)


def _said_at(line: str, begin: int, end: int) -> int:
    """Where in a line a subword says something, by the span that SentencePiece gives it: what is
    left out before it is in the span too, and of what one character becomes only the end."""
    seen = [at for at in range(begin, end) if not line[at].isspace()]
    said = [at for at in seen if line[at].isprintable()] or seen or [min(end, len(line) - 1)]
    return said[-1]


def text_of(pieces: Iterable[str]) -> str:
    """Subwords put together, as SentencePiece does it: one line of text."""
    return as_text("".join(pieces)).strip(" ")


def as_text(spelled: str) -> str:
    """A part of a line, character by character: never a line break, whatever subwords spell."""
    return spelled.replace(MARK, " ").replace("\n", " ").replace("\r", " ")


@dataclass(frozen=True)
class Vocabulary:
    """The two sides' subwords; the same object twice when they are joint."""

    source: Subwords
    target: Subwords

    @property
    def joint(self) -> bool:
        return self.source is self.target

    @classmethod
    def learn(
        cls, sources: Sequence[str], targets: Sequence[str], settings: DataSettings
    ) -> Vocabulary:
        """Train on text that has already been sampled to a size that fits in memory."""
        if settings.joint_vocab:
            pairs = zip(sources, targets, strict=True)
            both = [line for pair in pairs for line in pair if line]  # mere text has no sources
            joint = _learn(both, settings)
            return cls(joint, joint)
        return cls(_learn(sources, settings), _learn(targets, settings))

    def files(self) -> dict[str, bytes]:
        """What to write, by file name."""
        if self.joint:
            return {"subwords.model": self.source.proto}
        return {
            "subwords.source.model": self.source.proto,
            "subwords.target.model": self.target.proto,
        }

    @classmethod
    def load(cls, folder: Path) -> Vocabulary:
        """Raises RunError when the folder has no subword model that can be read."""
        joint = folder / "subwords.model"
        if joint.is_file():
            both = _load(joint)
            return cls(both, both)
        return cls(_load(folder / "subwords.source.model"), _load(folder / "subwords.target.model"))


def _load(path: Path) -> Subwords:
    try:
        return Subwords(path.read_bytes())
    except FileNotFoundError:
        raise RunError(
            f"{path.parent}: there is no subword model in it", "it is not a run"
        ) from None
    except (RuntimeError, OSError) as error:
        raise RunError(f"{path}: the subword model cannot be read ({error})") from None


def _learn(lines: Sequence[str], settings: DataSettings) -> Subwords:
    """Train one SentencePiece model.

    A corpus too small for `vocab_size` gets the largest vocabulary it can bear, and one with more
    characters than `vocab_size` leaves out the rarest of them: neither is an error.
    """
    said = ""
    for coverage in _COVERAGES:
        model = io.BytesIO()
        try:
            spm.SentencePieceTrainer.train(
                sentence_iterator=iter(lines),
                model_writer=model,
                model_type=settings.subwords,
                vocab_size=settings.vocab_size,
                hard_vocab_limit=False,
                character_coverage=coverage,
                normalization_rule_name=settings.normalization,
                max_sentence_length=LONGEST_TRAINING_LINE,
                num_threads=_THREADS,
                pad_id=PAD,
                bos_id=BOS,
                eos_id=EOS,
                unk_id=UNK,
                unk_surface="<unk>",
                minloglevel=2,
            )
            return Subwords(model.getvalue())
        except RuntimeError as error:
            said = str(error).strip().splitlines()[-1]
            if "required_chars" not in said:
                break
    if "required_chars" in said:
        raise NmtError(
            f"data.vocab_size = {settings.vocab_size} is too small for the text's many characters",
            "raise it, or leave it out to have one chosen",
        )
    raise NmtError(
        f"SentencePiece could not learn subwords: {said}",
        "is the text long enough, and are data.vocab_size and data.subwords right for it?",
    )
