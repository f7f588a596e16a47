"""Text to subword ids and back, by SentencePiece.

One model for both languages, or one a side; which of the two is known here only. The four special
ids are named here and nowhere else.
"""

from __future__ import annotations

import io
import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import sentencepiece as spm

from nmt.config import DataSettings
from nmt.errors import NmtError, RunError

PAD, BOS, EOS, UNK = 0, 1, 2, 3
SPECIALS = 4

Ids = list[int]

_DRAWS = 8  # segmentations drawn anew for each distinct word of a text; then they are repeated
_NBEST = 32  # of a word's segmentations, for sampling from a unigram model
LONGEST_TRAINING_LINE = 16_384  # bytes; SentencePiece leaves longer lines out of its training
_COVERAGES = (1 - 1e-5, 0.9995, 0.995, 0.98)  # of the characters; the first that fits


class Subwords:
    """One language's (or both languages') subword model. Ids carry no BOS or EOS."""

    def __init__(self, proto: bytes) -> None:
        if not proto:
            raise RuntimeError("it is empty")
        self.proto = proto
        self._processor = spm.SentencePieceProcessor(model_proto=proto)
        self._scores = {
            self._processor.id_to_piece(i): self._processor.get_score(i)
            for i in range(SPECIALS, len(self))
        }

    def __len__(self) -> int:
        return int(self._processor.vocab_size())

    def encode(self, lines: Sequence[str], threads: int = 1) -> list[Ids]:
        """The one best segmentation of each line."""
        ids: list[Ids] = self._processor.encode(list(lines), num_threads=threads)
        return ids

    def sample(self, lines: Sequence[str], strength: float, seed: int) -> list[Ids]:
        """A random segmentation of each line, the same for the same seed on every machine.

        BPE: each merge is passed over with probability `strength` (Provilkov et al. 2020).
        Unigram: drawn from a word's best segmentations with exponent 1 − `strength` (Kudo 2018).
        Pieces never cross a word's boundary, so a line is drawn word by word. (SentencePiece's
        own sampling cannot be repeated in another process, whatever its seed.)
        """
        generator = random.Random(seed)
        draw = self._draw_bpe if self._is_bpe() else self._draw_unigram
        drawn: dict[str, list[Ids]] = {}

        def one(word: str) -> Ids:
            known = drawn.setdefault(word, [])
            if len(known) == _DRAWS:
                return generator.choice(known)
            known.append(draw(word, strength, generator))
            return known[-1]

        words = (filter(None, self._processor.normalize(line).split("▁")) for line in lines)
        return [[i for word in line for i in one(f"▁{word}")] for line in words]

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
        best = self._processor.nbest_encode(word.removeprefix("▁"), nbest_size=_NBEST)
        scores = [sum(map(self._processor.get_score, ids)) for ids in best]
        weights = [math.exp((1 - strength) * (score - max(scores))) for score in scores]
        ids: Ids = generator.choices(best, weights)[0]
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        """One line of text: never a line break, whatever the ids spell."""
        text: str = self._processor.decode([i for i in ids if i >= SPECIALS or i == UNK])
        return text.replace("\n", " ").replace("\r", " ")

    def pieces(self, ids: Sequence[int]) -> list[str]:
        """The subwords themselves, `▁` marking the start of a word."""
        return [self._processor.id_to_piece(int(i)) for i in ids]

    def starts_word(self, piece_id: int) -> bool:
        """Whether this subword begins a whitespace word."""
        return bool(self._processor.id_to_piece(piece_id).startswith("▁"))

    def _is_bpe(self) -> bool:
        # A BPE model scores its pieces by rank (0, -1, -2, …), a unigram model by log-probability.
        first = range(SPECIALS, min(SPECIALS + 3, len(self)))
        return [self._processor.get_score(i) for i in first] == [
            -float(n) for n in range(len(first))
        ]


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
        cls, sources: Sequence[str], targets: Sequence[str], settings: DataSettings, threads: int
    ) -> Vocabulary:
        """Train on text that has already been sampled to a size that fits in memory."""
        if settings.joint_vocab:
            both = [line for pair in zip(sources, targets, strict=True) for line in pair]
            joint = _learn(both, settings, threads)
            return cls(joint, joint)
        return cls(_learn(sources, settings, threads), _learn(targets, settings, threads))

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


def _learn(lines: Sequence[str], settings: DataSettings, threads: int) -> Subwords:
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
                num_threads=threads,
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
