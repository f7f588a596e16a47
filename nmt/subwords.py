"""Text to subword ids and back, by SentencePiece.

One model for both languages, or one a side; which of the two is known here only. The four special
ids are named here and nowhere else.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import sentencepiece as spm

from nmt.config import DataSettings
from nmt.errors import NmtError, RunError

PAD, BOS, EOS, UNK = 0, 1, 2, 3
SPECIALS = 4

Ids = list[int]

_LONGEST_TRAINING_LINE = 16_384  # bytes; SentencePiece leaves longer lines out of its training


class Subwords:
    """One language's (or both languages') subword model. Ids carry no BOS or EOS."""

    def __init__(self, proto: bytes) -> None:
        if not proto:
            raise RuntimeError("it is empty")
        self.proto = proto
        self._processor = spm.SentencePieceProcessor(model_proto=proto)

    def __len__(self) -> int:
        return int(self._processor.vocab_size())

    def encode(self, lines: Sequence[str], threads: int = 1) -> list[Ids]:
        """The one best segmentation of each line."""
        ids: list[Ids] = self._processor.encode(list(lines), num_threads=threads)
        return ids

    def sample(self, lines: Sequence[str], strength: float, seed: int) -> list[Ids]:
        """A random segmentation of each line, the same for the same seed.

        BPE: each merge is skipped with probability `strength` (Provilkov et al. 2020).
        Unigram: segmentations drawn with exponent 1 − `strength` (Kudo 2018), so that for both
        a larger strength means more noise.
        """
        drawn: list[list[Ids]] = []
        alpha = strength if self._is_bpe() else 1 - strength

        def draw() -> None:
            spm.set_random_generator_seed(seed % 2**32)
            drawn.append(
                self._processor.encode(
                    list(lines), enable_sampling=True, alpha=alpha, nbest_size=-1, num_threads=1
                )
            )

        # SentencePiece seeds its generator once a thread: a fresh thread is a fresh generator.
        thread = threading.Thread(target=draw)
        thread.start()
        thread.join()
        return drawn[0]

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


def _learn(lines: Iterable[str], settings: DataSettings, threads: int) -> Subwords:
    """Train one SentencePiece model.

    A corpus too small for `vocab_size` gets the largest vocabulary it can bear, not an error.
    """
    model = io.BytesIO()
    try:
        spm.SentencePieceTrainer.train(
            sentence_iterator=iter(lines),
            model_writer=model,
            model_type=settings.subwords,
            vocab_size=settings.vocab_size,
            hard_vocab_limit=False,
            character_coverage=1.0 - 1e-5,  # every letter of an alphabet; a rare Chinese one is unk
            normalization_rule_name=settings.normalization,
            max_sentence_length=_LONGEST_TRAINING_LINE,
            num_threads=threads,
            pad_id=PAD,
            bos_id=BOS,
            eos_id=EOS,
            unk_id=UNK,
            unk_surface="<unk>",
            minloglevel=2,
        )
    except RuntimeError as error:
        raise NmtError(
            f"SentencePiece could not learn subwords: {str(error).strip().splitlines()[-1]}",
            "is the text long enough, and are data.vocab_size and data.subwords right for it?",
        ) from None
    return Subwords(model.getvalue())
