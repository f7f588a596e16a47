"""How well a model foretells text: the perplexity of translations, and of mere text for a language
model. What its own translations are worth: nmt.scoring."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch

from nmt.batches import Batch, grouped
from nmt.clean import is_blank
from nmt.corpus import Pair
from nmt.decoder import Decoder
from nmt.device import autocast
from nmt.loss import Loss, cross_entropy
from nmt.subwords import Ids, Subwords, Vocabulary
from nmt.words import words

_TOKENS = 2_000  # target subwords whose perplexity is computed together


def batch_loss(model: Decoder, batch: Batch, smoothing: float) -> Loss:
    """The summed loss of a batch's target tokens: the output layer sees no padding."""
    readout = model.readout(batch.source, batch.source_lengths, batch.target_in)
    return cross_entropy(
        readout.flatten(0, 1).index_select(0, batch.predicted),
        model.output.weight,
        model.output.bias,
        batch.target_out.flatten().index_select(0, batch.predicted),
        smoothing,
    )


def perplexity(model: Decoder, batches: Iterable[Batch], precision: str = "fp32") -> float:
    """exp of the mean −log p of the target subwords, EOS included, by a model in eval mode."""
    found = likelihoods(model, batches, precision)
    return perplexity_of(sum(loss for loss, _ in found), sum(tokens for _, tokens in found))


@torch.inference_mode()
def likelihoods(
    model: Decoder, batches: Iterable[Batch], precision: str = "fp32"
) -> list[tuple[float, int]]:
    """Summed −log p, and the number of target subwords, of each batch."""
    device = next(model.parameters()).device
    found = []
    for batch in batches:
        with autocast(device, precision):
            loss = batch_loss(model, batch.to(device), 0.0)
        found.append((float(loss.likelihood), batch.tokens))
    return found


def perplexity_of(likelihood: float, tokens: int) -> float:
    """exp(summed −log p / tokens); inf rather than an overflow, nan for no tokens."""
    if not tokens:
        return math.nan
    mean = likelihood / tokens
    return math.exp(mean) if mean < 700 else math.inf


@dataclass(frozen=True)
class Likelihood:
    """What a language model gives to a text."""

    nats: float  # −log p of all of it, with the end of each line
    subwords: int
    words: int  # runs of letters and digits, and single symbols (nmt.words)
    lines: int

    @property
    def perplexity(self) -> float:
        """Per subword, the end of a line counted as one."""
        return perplexity_of(self.nats, self.subwords + self.lines)

    @property
    def perplexity_per_word(self) -> float:
        """Per word, the end of a line counted as one: the same for whatever subwords."""
        return perplexity_of(self.nats, self.words + self.lines)

    def as_rows(self) -> list[tuple[str, ...]]:
        """Name, number, and what it means."""
        return [
            ("perplexity", f"{self.perplexity:.3f}", "per subword, the end of each line included"),
            (
                "perplexity",
                f"{self.perplexity_per_word:.3f}",
                "per word or punctuation mark, the end of each line included",
            ),
            ("nats", f"{self.nats:.1f}", "−log p of the whole text"),
            ("subwords", f"{self.subwords}", ""),
            ("words", f"{self.words}", "punctuation marks included"),
            ("sentences", f"{self.lines}", "lines that are not blank"),
        ]

    def as_record(self) -> dict[str, object]:
        """The same, for programs."""
        return {
            "perplexity": self.perplexity,
            "perplexity_per_word": self.perplexity_per_word,
            "nats": self.nats,
            "subwords": self.subwords,
            "words": self.words,
            "sentences": self.lines,
        }


def likelihood(model: Decoder, lines: Sequence[str], subwords: Subwords) -> Likelihood:
    """What a language model in eval mode gives to lines; blank ones are passed over."""
    filled = [line for line in lines if not is_blank(line)]
    ids = subwords.encode(filled)
    found = likelihoods(model, grouped([[]] * len(ids), ids, _TOKENS))
    return Likelihood(
        nats=math.fsum(loss for loss, _ in found),
        subwords=sum(map(len, ids)),
        words=sum(len(words(line)) for line in filled),
        lines=len(filled),
    )


@dataclass(frozen=True)
class Encoded:
    """Pairs as ids, those left out that have an empty side or one of more than `longest` ids."""

    lines: list[str]  # of the source
    sources: list[Ids]
    targets: list[Ids]
    left_out: int

    def batches(self) -> Iterable[Batch]:
        return grouped(self.sources, self.targets, _TOKENS)


def encode(pairs: Sequence[Pair], vocabulary: Vocabulary, longest: int) -> Encoded:
    """What perplexity is computed on; attention over a page-long line would fill the memory."""
    filled = [pair for pair in pairs if not is_blank(pair.source) and not is_blank(pair.target)]
    sources = vocabulary.source.encode([pair.source for pair in filled])
    targets = vocabulary.target.encode([pair.target for pair in filled])
    rows = [i for i in range(len(filled)) if max(len(sources[i]), len(targets[i])) <= longest]
    return Encoded(
        [filled[i].source for i in rows],
        [sources[i] for i in rows],
        [targets[i] for i in rows],
        left_out=len(pairs) - len(rows),
    )
