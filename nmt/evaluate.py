"""How good a model is while it is trained: perplexity, and BLEU of its translations. All that is to
be said of one that is finished: nmt.judge."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from sacrebleu.metrics.bleu import BLEU

from nmt.batches import Batch, grouped
from nmt.clean import is_blank
from nmt.corpus import Pair
from nmt.device import autocast
from nmt.loss import Loss, cross_entropy
from nmt.model import Seq2Seq
from nmt.subwords import Ids, Vocabulary

_TOKENS = 2_000  # target subwords whose perplexity is computed together


def bleu(hypotheses: Sequence[str], references: Sequence[str]) -> float:
    """sacreBLEU's BLEU with its defaults."""
    return float(BLEU().corpus_score(list(hypotheses), [list(references)]).score)


def batch_loss(model: Seq2Seq, batch: Batch, smoothing: float) -> Loss:
    """The summed loss of a batch's target tokens: the output layer sees no padding."""
    readout = model.readout(batch.source, batch.source_lengths, batch.target_in)
    return cross_entropy(
        readout.flatten(0, 1).index_select(0, batch.predicted),
        model.output.weight,
        model.output.bias,
        batch.target_out.flatten().index_select(0, batch.predicted),
        smoothing,
    )


def perplexity(model: Seq2Seq, batches: Iterable[Batch], precision: str = "fp32") -> float:
    """exp of the mean −log p of the target subwords, EOS included, by a model in eval mode."""
    found = likelihoods(model, batches, precision)
    return perplexity_of(sum(loss for loss, _ in found), sum(tokens for _, tokens in found))


@torch.inference_mode()
def likelihoods(
    model: Seq2Seq, batches: Iterable[Batch], precision: str = "fp32"
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
class Encoded:
    """Pairs as ids, those left out that have an empty side or one of more than `longest` ids."""

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
        [sources[i] for i in rows], [targets[i] for i in rows], left_out=len(pairs) - len(rows)
    )
