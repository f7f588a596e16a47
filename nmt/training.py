"""The training loop, as a generator of events.

It computes, validates and saves; what a person sees and when to interrupt are the business of
whoever iterates. All that decides what comes next is in `Progress`, and every random draw follows
from (seed, step, process), so a training that was killed goes on from its last checkpoint to the
very numbers it would have had.
"""

from __future__ import annotations

import contextlib
import copy
import json
import math
import os
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from nmt.batches import Batch, Batches, Position, grouped
from nmt.card import write as write_card
from nmt.checkpoint import Run, new_model, read_tensors, restore, weights_of, write_tensors
from nmt.config import Choice, Settings, TrainSettings
from nmt.decoder import Decoder
from nmt.device import Device, autocast, machine
from nmt.distributed import ALONE, World
from nmt.engine import Engine
from nmt.errors import RunError, TrainingError
from nmt.events import NAMES, Event, Finished, Incident, Sample, Saved, Started, Stepped, Validated
from nmt.files import cannot_write, flush, to_json, write_text
from nmt.generate import generate
from nmt.incidents import MOST_ROLLBACKS, Health, Update, write_down
from nmt.perplexity import batch_loss, likelihoods, perplexity_of
from nmt.prepare import Prepared
from nmt.scoring import bleu
from nmt.search import Sampling, SearchOptions
from nmt.translate import Translator

_LOG_EVERY = 10  # steps a "step" event sums up, and the figures of which are read at once
_CHECKPOINTS = 2  # the newest, and one in case that is damaged
_TAIL = 65_536  # bytes of the log that surely hold an event with its time
_SAMPLES = 2  # validation translations shown
_CHANCE = 0.2  # BLEU: less than what two seeds differ by (docs/results.md)
_LOOKING = 0.05  # the part of a budget that validations may take
_AT_RISK = 0.05  # the part of a budget that a kill may cost
_AVERAGE_EVERY = 4  # updates at most: to average takes a hundredth of the time of one
_BEGINNING = 100  # updates, after each of which it is done
_CAUTION = 0.5  # what a rollback multiplies the learning rate by


# --- what a checkpoint remembers ----------------------------------------------------------------


@dataclass
class Window:
    """Sums over the finite updates since the last "step" event."""

    loss: float = 0.0
    likelihood: float = 0.0
    tokens: int = 0
    norm: float = 0.0  # the largest
    norms: dict[str, float] = field(default_factory=dict)  # the largest of each layer
    clipped: int = 0
    steps: int = 0

    def add(self, update: Update, clip_norm: float) -> None:
        self.steps += 1
        if update.finite and math.isfinite(update.loss):
            self.loss += update.loss
            self.likelihood += update.likelihood
            self.tokens += update.tokens
            self.norm = max(self.norm, update.norm)
            for layer, norm in update.norms.items():
                self.norms[layer] = max(self.norms.get(layer, 0.0), norm)
            self.clipped += bool(clip_norm and update.norm > clip_norm)

    @property
    def mean_loss(self) -> float:
        """Nats a token; nan when no update was finite."""
        return self.loss / self.tokens if self.tokens else math.nan


@dataclass
class Progress:
    """Everything that decides how a training goes on, beside tensors."""

    step: int = 0
    epochs: float = 0.0
    position: Position = field(default_factory=Position)
    seconds: float = 0.0  # spent in earlier processes
    rate_factor: float = 1.0  # the plateau schedule's
    caution: float = 1.0  # what rollbacks left of the learning rate
    worse: int = 0  # validations in a row without a better score
    validated: int = -1  # the step of the last validation
    validation_took: float = 0.0  # seconds, the last one
    validating: float = 0.0  # seconds, all of them
    updating: float = 0.0  # seconds spent on updates
    saved_at: float = 0.0  # the part of the budget that was behind at the last checkpoint
    best_step: int = -1
    best_perplexity: float = math.inf  # of the weights that are kept
    best_bleu: float = -1.0
    lowest_perplexity: float = math.inf  # of any
    highest_bleu: float = -1.0
    finished: str = ""  # why the training ended, once it has
    window: Window = field(default_factory=Window)
    health: Health = field(default_factory=Health)
    log_bytes: int = 0  # length of log.jsonl

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Progress:
        position, window = Position(**values.pop("position")), Window(**values.pop("window"))
        health = Health(**values.pop("health"))
        return cls(**values, position=position, window=window, health=health)


@dataclass(frozen=True)
class _Unread:
    """An update whose figures are still where they were computed."""

    update: Update
    losses: Tensor  # [2] smoothed, likelihood: this process's share
    norm: Tensor
    norms: Tensor  # [P] of each parameter


# --- the loop -----------------------------------------------------------------------------------


class Training:
    """One training of one run: new, or resumed from its checkpoint.

    Args:
        started: `time.monotonic()` when the command began, so that a budget counts everything.
        choices: the settings that were chosen for this corpus and device; for the log.
        world: the processes that train together.
    """

    def __init__(
        self,
        run: Run,
        settings: Settings,
        data: Prepared,
        device: Device,
        started: float,
        choices: Sequence[Choice] = (),
        world: World = ALONE,
    ) -> None:
        self.run, self.settings, self.data, self.device = run, settings, data, device
        self.started, self.choices, self.world = started, choices, world
        self.damaged: list[RunError] = []  # checkpoints that could not be read
        self.stop_requested = False  # set it to end after the current update
        self.batches = Batches(
            data.train,
            data.vocabulary,
            settings.train.batch_tokens,
            settings.train.seed,
            longest=settings.data.max_length,
            subword_dropout=settings.data.subword_dropout,
            concatenated=settings.train.concatenated,
            pinned=device.torch.type == "cuda" and world.size == 1,
        )
        torch.manual_seed(settings.train.seed)
        self.model = new_model(settings, data.vocabulary).to(device.torch)
        self.average = copy.deepcopy(self.model).eval()  # the weights that are validated and kept
        self.optimizer = _optimizer(self.model, settings.train)
        self.progress = Progress()
        self._losses: nn.Module = _Losses(self.model, settings.train.label_smoothing)
        self._unread: list[_Unread] = []
        self._recent: deque[Update] = deque(maxlen=2 * _LOG_EVERY)
        self._spent = 0.0  # the part of the budget that is behind, as all processes know it
        self._rushed = 0.0  # whether validations have taken too much of it
        self._window_started = time.monotonic()
        self._resume()

    @property
    def parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.model.parameters())

    def events(self) -> Iterator[Event]:
        """Train until an end is reached or `stop_requested` is set, which saves and returns.

        Raises:
            TrainingError: it diverged again and again, or another process of it was lost.
            NmtError: a file cannot be written.
        """
        if self.progress.finished:
            return
        if not self.progress.log_bytes:
            yield self._log(self._started())
        self._losses = self.world.parallel(self._losses)
        self._agree()
        with contextlib.closing(self.batches.start_at(self.progress.position)) as batches:
            yield from self._loop(batches)

    def _loop(self, batches: Iterator[Batch]) -> Iterator[Event]:
        train = self.settings.train
        self._window_started = time.monotonic()
        while True:
            self._update([next(batches) for _ in range(train.accumulate)])
            step = self.progress.step
            if step % _LOG_EVERY == 0:
                yield from self._look_back()
            if self.progress.step < step:  # gone back
                continue
            stop, reason = self._agree(), self._end()
            if not reason and (self._due(step, train.validate_every) or self._first_look()):
                yield self._log(self._validate())
                reason = self._out_of_patience()
            if reason:
                yield from self._finish(reason)
                return
            if self._save_due(step) and (yield from self._is_well()):
                yield from self._save(self.run.checkpoint(step))
            elif stop:
                yield from self._save(self.run.stopped(step))
            if stop:
                return

    def _started(self) -> Started:
        return Started(self.parameters, self.device.name, self.world.size, self.choices, machine())

    # --- one update -----------------------------------------------------------------------------

    def _update(self, batches: Sequence[Batch]) -> None:
        """One optimizer step on the mean loss per token of all `batches` together.

        Nothing here waits for the device.
        """
        progress, train, world = self.progress, self.settings.train, self.world
        progress.step += 1
        progress.position, progress.epochs = batches[-1].next, batches[-1].epochs
        tokens = sum(batch.tokens for batch in batches)
        self._seed_step()
        self.model.train()
        self.model.dropout_strength = self.dropout_strength()
        self.optimizer.zero_grad()
        losses = torch.zeros(2, device=self.device.torch)
        for number, batch in enumerate(batches, 1):
            share = world.share(batch).to(self.device.torch)
            with contextlib.ExitStack() as within:
                if number < len(batches):
                    within.enter_context(world.accumulating(self._losses))
                with autocast(self.device.torch, train.precision):
                    both = self._losses(share)
                # Parallel gradients are averaged over the processes, and a sum is wanted.
                (both[0] * (world.size / tokens)).backward()
            losses += both.detach()
        norm, norms = self._clip()
        rate = self.learning_rate()
        self._apply(norm, rate)
        update = Update(progress.step, batches, rate, tokens)
        self._unread.append(_Unread(update, losses, norm, norms))

    def _seed_step(self) -> None:
        """Dropout masks follow from the step alone: nothing else needs to be remembered."""
        key = [self.settings.train.seed, self.progress.step, self.world.rank]
        torch.manual_seed(int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0] >> 1))

    def _clip(self) -> tuple[Tensor, Tensor]:
        """Scale the gradient down to `train.clip_norm` (Pascanu et al. 2013, algorithm 1).

        Returns:
            Its norm before, and those of the parameters of which it is made, [P].
        """
        parameters = list(self.model.parameters())
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        norms = torch.stack(torch._foreach_norm(gradients))
        norm = torch.linalg.vector_norm(norms)
        most = self.settings.train.clip_norm or math.inf
        if not norm.is_cpu or norm > most:  # elsewhere to ask would be to wait
            nn.utils.clip_grads_with_norm_(parameters, most, norm)
        return norm, norms

    def _apply(self, norm: Tensor, rate: float) -> None:
        """Move the weights, unless the gradient is not finite, and their average."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        # Fused optimizers leave out a step by themselves: what torch.amp.GradScaler relies on.
        self.optimizer.found_inf = (~norm.isfinite()).float()  # type: ignore[attr-defined]
        self.optimizer.step()
        self._average()

    def _average(self) -> None:
        """Let the average follow the weights; once a training has begun only every few updates, as
        far as it would have come by then. Validations at `train.validate_every` fall on these."""
        train, step = self.settings.train, self.progress.step
        late = train.ema and step > _BEGINNING
        every = math.gcd(_AVERAGE_EVERY, train.validate_every) if late else 1
        if step % every:
            return
        decay = min(train.ema, (1 + step) / (10 + step)) ** every
        averages, weights = (list[Tensor](m.parameters()) for m in (self.average, self.model))
        with torch.no_grad():
            torch._foreach_lerp_(averages, weights, 1 - decay)

    def dropout_strength(self) -> float:
        """Of the current step: it grows to the end of the training, or is 1 where none is set."""
        train, start = self.settings.train, self.settings.train.dropout_start
        endless = not (train.budget or train.max_steps or train.max_epochs)
        return 1.0 if endless else start + (1 - start) * min(1.0, self.done())

    def learning_rate(self) -> float:
        """The schedule's value for the current step."""
        train, step = self.settings.train, self.progress.step
        warmup = min(1.0, step / train.warmup_steps) if train.warmup_steps else 1.0
        if train.schedule == "inverse_sqrt":
            decay = math.sqrt(max(1, train.warmup_steps) / max(step, train.warmup_steps, 1))
        elif train.schedule == "cosine":
            decay = 0.5 * (1 + math.cos(math.pi * min(1.0, self.done())))
        else:
            decay = self.progress.rate_factor
        return train.learning_rate * self.progress.caution * warmup * decay

    # --- how far ----------------------------------------------------------------------------------

    def seconds(self) -> float:
        """Spent on this training: in this process, from the command's start, and before."""
        return self.progress.seconds + time.monotonic() - self.started

    def done(self) -> float:
        """The part of the training that is behind, 0 to 1, by whichever limit comes first."""
        train, progress = self.settings.train, self.progress
        parts = [self._spent]
        if train.max_steps:
            parts.append(progress.step / train.max_steps)
        if train.max_epochs:
            parts.append(progress.epochs / train.max_epochs)
        return max(parts)

    def _agree(self) -> bool:
        """Take the first process's clock for all; whether any of them was asked to stop."""
        budget, spent = self.settings.train.budget, 0.0
        if budget and self.world.first:
            reserve = 1.15 * self.progress.validation_took + 1.0  # the last validation, the saving
            spent = self.seconds() / max(1.0, budget - reserve)
        rushed = self.progress.validating > _LOOKING * self.seconds()
        self._spent, stop, self._rushed = self.world.largest(
            spent, float(self.stop_requested), float(rushed and bool(budget))
        )
        return bool(stop)

    def _due(self, step: int, every: int) -> bool:
        """Whether to validate; under a budget not, while that has taken too much of the time."""
        return step % every == 0 and not self._rushed

    def _save_due(self, step: int) -> bool:
        """Every so many steps, and under a budget before a kill would cost much of it."""
        late = self._spent - self.progress.saved_at >= _AT_RISK
        return step % self.settings.train.save_every == 0 or late

    def _end(self) -> str:
        train, progress = self.settings.train, self.progress
        if train.max_steps and progress.step >= train.max_steps:
            return f"train.max_steps = {train.max_steps} reached"
        if train.max_epochs and progress.position.epoch >= train.max_epochs:
            return f"train.max_epochs = {train.max_epochs} reached"
        if train.budget and self._spent >= 1:
            return f"the budget of {train.budget:.0f} s is used"
        return ""

    def _first_look(self) -> bool:
        """A budget is kept only if it is known what a validation takes: find out early."""
        unknown = not self.progress.validation_took and self.settings.train.budget
        return bool(unknown and self.done() > 0.2)

    def _out_of_patience(self) -> str:
        train, progress = self.settings.train, self.progress
        if train.patience and progress.worse >= train.patience:
            return f"{progress.worse} validations without a better {train.best_by}"
        return ""

    # --- looking back -----------------------------------------------------------------------------

    def _look_back(self) -> Iterator[Event]:
        """Report on the last updates, and see whether all is well."""
        yield from self._settle()
        loss = self.progress.window.mean_loss
        yield self._log(self._stepped())
        health = self.progress.health
        health.see_window(loss)
        if health.trouble():
            yield from self._roll_back(health.trouble())

    def _is_well(self) -> Generator[Event, None, bool]:
        """Whether the weights are worth going back to."""
        yield from self._settle()
        return self.progress.health.well

    def _settle(self) -> Iterator[Event]:
        """Read the figures of the updates since the last time: the one wait for the device."""
        if not self._unread:
            return
        losses = self.world.total(torch.stack([each.losses for each in self._unread]))
        norms = torch.stack([torch.hstack((each.norm, each.norms)) for each in self._unread])
        figures = torch.cat((losses, norms), dim=1).tolist()
        progress, clip_norm = self.progress, self.settings.train.clip_norm
        for each, (loss, likely, norm, *norms_of) in zip(self._unread, figures, strict=True):
            update = replace(
                each.update,
                loss=loss,
                likelihood=likely,
                norm=norm,
                norms=_by_layer(weights_of(self.model), norms_of),
            )
            self._recent.append(update)
            progress.window.add(update, clip_norm)
            progress.health.see(update)
            if not update.finite:
                reason = "the loss or the gradient was not finite"
                yield self._incident(update, reason, "the update was left out")
        self._unread.clear()

    def _roll_back(self, reason: str) -> Iterator[Event]:
        """Go back to the last checkpoint, and on from there behind these batches, more slowly.

        A checkpoint that was gone back to before, and led here again, gives way to the one before,
        if there is one.

        Raises:
            TrainingError: it has been tried often enough.
        """
        now = self.progress
        if now.health.rollbacks >= MOST_ROLLBACKS:
            raise TrainingError(
                f"step {now.step}: {reason}, after {MOST_ROLLBACKS} returns to a checkpoint",
                f"see {self.run.incidents}; lower train.learning_rate or train.clip_norm and "
                "start anew with --fresh",
            )
        broken = [name for name, w in weights_of(self.model).items() if not w.isfinite().all()]
        culprit = self._culprit()
        before = self._go_back(self.run.checkpoints(), now.health.returned_to)
        health = Health(
            lowest=before.health.lowest,
            incidents=now.health.incidents,
            rollbacks=now.health.rollbacks + 1,
            returned_to=before.step,
        )
        self.progress = replace(
            now,
            step=before.step,
            caution=now.caution * _CAUTION,
            validated=-1,
            window=Window(),
            health=health,
        )
        yield self._incident(culprit, reason, f"back to step {before.step:,}", before.step, broken)
        yield from self._save(self.run.checkpoint(before.step))
        if self.world.first:  # only now: whoever is killed before comes to the same decision again
            self.run.forget_after(before.step)

    def _go_back(self, checkpoints: Sequence[Path], returned_to: int) -> Progress:
        """Load the newest checkpoint that is whole, and did not lead to trouble if another is."""
        good = [file for file in checkpoints if self.run.step_of(file) != returned_to]
        for file in self.world.told([*good, *checkpoints]):
            with contextlib.suppress(RunError):
                return self._load(file)
        return self._begin_again()

    def _culprit(self) -> Update:
        """Of the updates since the last checkpoint, the one most likely to blame."""
        missed = [update for update in self._recent if not update.finite]
        if self.progress.health.windows_above:
            return max(self._recent, key=lambda u: u.loss / max(1, u.tokens) if u.finite else 0.0)
        return next(iter(missed), self._recent[-1])

    def _incident(
        self,
        update: Update,
        reason: str,
        action: str,
        back_to: int | None = None,
        broken: Sequence[str] = (),
    ) -> Event:
        """Keep the update's texts, and tell of it."""
        health, file = self.progress.health, ""
        health.incidents += 1
        if self.world.first:
            table = self.data.train
            rows = np.array([row for b in update.batches for rows in b.rows for row in rows])
            texts = table.text("source", rows), table.text("target", rows)
            pairs = list(zip(*texts, strict=True))
            file = write_down(self.run.incidents, health.incidents, update, reason, pairs, broken)
        return self._log(
            Incident(update.step, reason, action, back_to, self.progress.caution, file)
        )

    # --- validation -------------------------------------------------------------------------------

    def _validate(self) -> Validated:
        """Score the averaged weights, and keep them if they are the best so far."""
        with self._aside():
            started, progress = time.monotonic(), self.progress
            score, (quality, samples) = self._perplexity(), self._quality()
            best = self._is_best(score, quality)
            progress.validated = progress.step
            if best:
                progress.worse = 0
                progress.best_step = progress.step
                progress.best_perplexity, progress.best_bleu = score, quality
            else:
                progress.worse += 1
                if self.settings.train.schedule == "plateau":
                    progress.rate_factor *= 0.5
            self._keep(score, quality, best)
            progress.validation_took = time.monotonic() - started
            progress.validating += progress.validation_took
        return Validated(
            step=progress.step,
            epoch=progress.epochs,
            perplexity=score,
            bleu=quality,
            best=best,
            took=progress.validation_took,
            seconds=self.seconds(),
            samples=samples,
        )

    def _perplexity(self) -> float:
        """Of the averaged weights, on all validation pairs."""
        train, valid, world = self.settings.train, self.data.valid, self.world
        every = np.arange(len(valid))
        batches = grouped(
            valid.ids("source", every), valid.ids("target", every), train.batch_tokens
        )
        mine = islice(batches, world.rank, None, world.size)
        found = world.collected(likelihoods(self.average, mine, train.precision))
        return perplexity_of(sum(loss for loss, _ in found), sum(tokens for _, tokens in found))

    def _quality(self) -> tuple[float, list[Sample]]:
        """BLEU of the averaged weights (nan for a language model), and samples of what they do."""
        if self.settings.data.task == "lm":
            return math.nan, [Sample("", line, "") for line in self._lines()]
        sources, translations, references = self._translations()
        samples = [Sample(*each) for each in zip(sources, translations, references, strict=True)]
        return bleu(translations, references), samples[:_SAMPLES]

    def _lines(self) -> list[str]:
        """Some that the language model writes, always by the same draws."""
        longest, subwords = self.settings.data.max_length, self.data.vocabulary.target
        engine = Engine(self.average, "fp32")
        return list(generate(engine, subwords, Sampling(), _SAMPLES, longest))

    def _translations(self) -> tuple[list[str], list[str], list[str]]:
        """Sources, translations and references: greedy for the sake of time, otherwise what
        `nmt translate` does."""
        settings, valid = self.settings, self.data.valid
        rows = np.arange(len(valid))[: settings.train.validate_lines or None]
        sources, references = valid.text("source", rows), valid.text("target", rows)
        options = SearchOptions.of(replace(settings.translate, beam=1, groups=1))
        translator = Translator(
            self.average, self.data.vocabulary, options, settings.data.max_length
        )
        mine = translator.translate(self.world.mine(sources))
        return sources, self.world.collected([each.text for each in mine]), references

    def _is_best(self, score: float, quality: float) -> bool:
        """By `train.best_by`, the other of the two deciding between equals; a BLEU within chance of
        the highest so far is equal to it."""
        progress = self.progress
        if progress.best_step < 0:
            return True
        new, old = (-score, quality), (-progress.best_perplexity, progress.best_bleu)
        if self.settings.train.best_by == "perplexity":
            return new > old
        highest = max(quality, progress.highest_bleu)
        if min(quality, progress.best_bleu) >= highest - _CHANCE:
            return new > old
        return quality > progress.best_bleu

    def _keep(self, score: float, quality: float, best: bool) -> None:
        """Write the averaged weights: as the run's model, as the best by either score alone, and as
        the last ones."""
        progress, train = self.progress, self.settings.train
        lower, higher = score < progress.lowest_perplexity, quality > progress.highest_bleu
        progress.lowest_perplexity = min(score, progress.lowest_perplexity)
        progress.highest_bleu = max(progress.highest_bleu, quality)  # which may be nan
        if not self.world.first:
            return
        scores = {
            "step": progress.step,
            "epoch": progress.epochs,
            "perplexity": score,
            "bleu": quality,
        }
        places = [self.run.model] if best else []
        if lower:
            places.append(self.run.weights / "best-perplexity.safetensors")
        if higher:
            places.append(self.run.weights / "best-bleu.safetensors")
        if train.keep_last:
            places.append(self.run.weights / f"step-{progress.step:06}.safetensors")
        for place in places:
            write_tensors(place, weights_of(self.average), scores)
        if best:
            write_text(self.run.scores, to_json(scores, indent=2) + "\n")
        for old in self.run.snapshots()[train.keep_last :]:
            old.unlink()

    def _finish(self, reason: str) -> Iterator[Event]:
        """A last look, the last checkpoint, and the end."""
        yield from self._settle()
        progress = self.progress
        if progress.window.steps:
            yield self._log(self._stepped())
        if progress.validated != progress.step:
            yield self._log(self._validate())
        progress.finished = reason
        finished = Finished(
            step=progress.step,
            epoch=progress.epochs,
            reason=reason,
            seconds=self.seconds(),
            best_step=progress.best_step,
            best_perplexity=progress.best_perplexity,
            best_bleu=progress.best_bleu,
            updating=progress.updating,
            validating=progress.validating,
        )
        self._log(finished)
        if self.world.first:
            write_card(self.run)
        yield from self._save(self.run.checkpoint(progress.step))
        yield replace(finished, seconds=self.seconds())

    # --- log and checkpoint -----------------------------------------------------------------------

    def _stepped(self) -> Stepped:
        progress, window = self.progress, self.progress.window
        progress.window = Window()
        took, self._window_started = time.monotonic() - self._window_started, time.monotonic()
        progress.updating += took
        return Stepped(
            step=progress.step,
            epoch=progress.epochs,
            loss=window.mean_loss,
            perplexity=perplexity_of(window.likelihood, window.tokens),
            learning_rate=self.learning_rate(),
            gradient_norm=window.norm,
            gradient_norms=window.norms,
            clipped=window.clipped / max(1, window.steps),
            target_tokens_per_second=window.tokens / max(took, 1e-9),
            seconds=self.seconds(),
            progress=min(1.0, self.done()),
        )

    @contextmanager
    def _aside(self) -> Iterator[None]:
        """Within, the clock of the training's speed stands still."""
        before = time.monotonic()
        yield
        self._window_started += time.monotonic() - before

    def _log(self, event: Event) -> Event:
        """Append an event to log.jsonl."""
        if not self.world.first:
            return event
        line = to_json({"event": NAMES[type(event)], "time": time.time(), **asdict(event)})
        content = f"{line}\n".encode()
        try:
            with self.run.log.open("ab") as file:
                file.write(content)
        except OSError as error:
            raise cannot_write(self.run.log, error) from None
        self.progress.log_bytes += len(content)
        return event

    def _save(self, path: Path) -> Iterator[Event]:
        """Write all that resuming needs, in one file; the one before it stays.

        What is saved on a request to stop is for resuming only: a training that diverges goes back
        to what it would have saved without the request.
        """
        yield from self._settle()
        with self._aside():
            self.progress.saved_at = self._spent
            progress = replace(self.progress, seconds=self.seconds())
            if self.world.first:
                tensors: dict[str, Tensor] = {}
                for name, weight in weights_of(self.model).items():
                    tensors[f"model.{name}"] = weight
                    for key, value in self.optimizer.state.get(weight, {}).items():
                        tensors[f"optimizer.{key}.{name}"] = value
                for name, weight in weights_of(self.average).items():
                    tensors[f"average.{name}"] = weight
                flush(self.run.log)
                write_tensors(path, tensors, asdict(progress))
                for old in self._outlived(path):
                    old.unlink()
        if path == self.run.checkpoint(progress.step):
            self._recent.clear()
        yield Saved(progress.step, progress.seconds)

    def _outlived(self, path: Path) -> list[Path]:
        """The files that are of no use any more once `path` is written."""
        checkpoints = self.run.checkpoints()
        others = [file for file in self.run.resumable() if file not in checkpoints]
        return [*checkpoints[_CHECKPOINTS:], *(file for file in others if file != path)]

    def _resume(self) -> None:
        """Take up the newest checkpoint that is whole, and cut the log to it.

        The time that was spent since then stays spent.
        """
        spent = self._seconds_in_log()
        for checkpoint in self.run.resumable():
            try:
                self.progress = self._load(checkpoint)
                break
            except RunError as error:
                self.damaged.append(error)
        else:
            if self.damaged:
                raise self.damaged[0]
        self.progress.seconds = max(spent, self.progress.seconds)
        if self.world.first:
            self.run.forget_after(self.progress.step)
            self._cut_log()

    def _cut_log(self) -> None:
        """Events after the checkpoint will come again."""
        whole = 0
        if self.run.log.exists():
            with self.run.log.open("rb+") as file:
                whole = file.read(self.progress.log_bytes).rfind(b"\n") + 1
                file.truncate(whole)
        self.progress.log_bytes = whole

    def _seconds_in_log(self) -> float:
        """The time that had been spent when the log was last written to."""
        with contextlib.suppress(OSError), self.run.log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL))
            for line in reversed(file.read().splitlines()):
                with contextlib.suppress(ValueError, KeyError, TypeError):
                    return float(json.loads(line)["seconds"])
        return 0.0

    def _load(self, checkpoint: Path) -> Progress:
        """Put a checkpoint's tensors in their places.

        Raises:
            RunError: the file is damaged, or of another version.
        """
        tensors, about = read_tensors(checkpoint, verify=True)
        try:
            progress = Progress.from_dict(about)
        except (KeyError, TypeError):
            raise RunError(
                f"{checkpoint}: not a checkpoint of this version of nmt", "use --fresh"
            ) from None
        for part, model in (("model.", self.model), ("average.", self.average)):
            mine = {n.removeprefix(part): t for n, t in tensors.items() if n.startswith(part)}
            restore(model, mine, checkpoint)
        self.optimizer.state.clear()
        for name, weight in weights_of(self.model).items():
            for key in ("step", "exp_avg", "exp_avg_sq"):
                if (value := tensors.get(f"optimizer.{key}.{name}")) is not None:
                    self.optimizer.state[weight][key] = value.to(self.device.torch, copy=True)
        return progress

    def _begin_again(self) -> Progress:
        """The first weights of all, in place."""
        torch.manual_seed(self.settings.train.seed)
        first = new_model(self.settings, self.data.vocabulary)
        for model in (self.model, self.average):
            restore(model, weights_of(first), self.run.path)
        self.optimizer.state.clear()
        return Progress()


class _Losses(nn.Module):
    """The summed losses of a batch as a module's output, for gradients that are shared."""

    def __init__(self, model: Decoder, smoothing: float) -> None:
        super().__init__()
        self.model, self.smoothing = model, smoothing

    def forward(self, batch: Batch) -> Tensor:
        """[2]: smoothed, and the likelihood without a gradient."""
        loss = batch_loss(self.model, batch, self.smoothing)
        return torch.stack((loss.smoothed, loss.likelihood))


def _by_layer(parameters: Iterable[str], norms: Iterable[float]) -> dict[str, float]:
    """Norms of parameters → those of the layers they belong to: encoder.0, attention, …"""
    squares: dict[str, float] = {}
    for name, norm in zip(parameters, norms, strict=True):
        part, *inner = name.split(".")
        layer = f"{part}.{inner[0]}" if inner and inner[0].isdecimal() else part
        squares[layer] = squares.get(layer, 0.0) + norm**2
    return {layer: math.sqrt(square) for layer, square in squares.items()}


def _optimizer(model: Decoder, train: TrainSettings) -> torch.optim.Optimizer:
    make = torch.optim.Adam if train.optimizer == "adam" else torch.optim.AdamW
    decay = train.weight_decay  # of adam 0: other values are refused
    return make(model.parameters(), lr=train.learning_rate, weight_decay=decay, fused=True)
