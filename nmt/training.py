"""The training loop, as a generator of events.

It computes, validates and saves; what a person sees and when to interrupt are the business of
whoever iterates. All that decides what comes next is in `Progress`, so that a training that was
killed goes on from its last checkpoint to the very numbers it would have had.
"""

from __future__ import annotations

import contextlib
import copy
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nmt.batches import Batch, Batches, Position, grouped
from nmt.checkpoint import Run, read_tensors, restore, weights_of, write_tensors
from nmt.config import Choice, Settings, TrainSettings
from nmt.device import Device, autocast
from nmt.errors import RunError, TrainingError
from nmt.evaluate import batch_loss, bleu, perplexity, perplexity_of
from nmt.files import cannot_write, to_json, write_text
from nmt.model import Seq2Seq
from nmt.prepare import Prepared
from nmt.search import SearchOptions
from nmt.translate import Translator

_LOG_EVERY = 10  # steps a "step" event sums up
_SAMPLES = 2  # validation translations shown
_SKIPPED = 20  # updates in a row that may be skipped for not being finite


# --- events -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Started:
    """The first event of a run: what is trained, and what was chosen."""

    parameters: int
    device: str
    choices: Sequence[Choice]


@dataclass(frozen=True)
class Stepped:
    """Some updates, summed up."""

    step: int
    epoch: float
    loss: float  # mean over target tokens, label smoothing included
    perplexity: float  # of the training tokens, with dropout
    learning_rate: float
    gradient_norm: float  # before clipping; the largest since the last event
    target_tokens_per_second: float
    seconds: float  # spent on this training so far
    progress: float  # the part of the training that is done, 0 to 1


@dataclass(frozen=True)
class Sample:
    """A validation sentence and what became of it."""

    source: str
    translation: str
    reference: str


@dataclass(frozen=True)
class Validated:
    """The model's scores on the validation pairs."""

    step: int
    epoch: float
    perplexity: float
    bleu: float
    best: bool  # whether these are the weights to keep
    took: float  # seconds
    seconds: float
    samples: Sequence[Sample]


@dataclass(frozen=True)
class Saved:
    """All that resuming needs is on the disk."""

    step: int
    seconds: float


@dataclass(frozen=True)
class Finished:
    """The end, and why."""

    step: int
    epoch: float
    reason: str
    seconds: float
    best_step: int
    best_perplexity: float
    best_bleu: float


_NAMES = {
    Started: "start",
    Stepped: "step",
    Validated: "validation",
    Saved: "saved",
    Finished: "finished",
}
Event = Started | Stepped | Validated | Saved | Finished


# --- what a checkpoint remembers ----------------------------------------------------------------


@dataclass
class Window:
    """Sums since the last "step" event."""

    loss: float = 0.0
    likelihood: float = 0.0
    tokens: int = 0
    norm: float = 0.0
    steps: int = 0


@dataclass
class Progress:
    """Everything that decides how a training goes on, beside tensors and random generators."""

    step: int = 0
    epochs: float = 0.0
    position: Position = field(default_factory=Position)
    seconds: float = 0.0  # spent in earlier processes
    rate_factor: float = 1.0  # the plateau schedule's
    worse: int = 0  # validations in a row without a better score
    validated: int = -1  # the step of the last validation
    validation_took: float = 0.0  # seconds, the last one
    skipped: int = 0  # updates in a row that were not finite
    best_step: int = -1
    best_perplexity: float = math.inf
    best_bleu: float = -1.0
    finished: str = ""  # why the training ended, once it has
    window: Window = field(default_factory=Window)
    log_bytes: int = 0  # length of log.jsonl

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Progress:
        position, window = Position(**values.pop("position")), Window(**values.pop("window"))
        return cls(**values, position=position, window=window)


# --- the loop -----------------------------------------------------------------------------------


class Training:
    """One training of one run: new, or resumed from its checkpoint.

    Args:
        started: `time.monotonic()` when the command began, so that a budget counts everything.
        choices: the settings that were chosen for this corpus and device; for the log.
    """

    def __init__(
        self,
        run: Run,
        settings: Settings,
        data: Prepared,
        device: Device,
        started: float,
        choices: Sequence[Choice] = (),
    ) -> None:
        self.run, self.settings, self.data, self.device = run, settings, data, device
        self.started, self.choices = started, choices
        self.progress = Progress()
        torch.manual_seed(settings.train.seed)
        sizes = len(data.vocabulary.source), len(data.vocabulary.target)
        self.model = Seq2Seq(settings.model, *sizes).to(device.torch)
        self.average = copy.deepcopy(self.model).eval()  # the weights that are validated and kept
        self.optimizer = _optimizer(self.model, settings.train)
        self.batches = Batches(
            data.train,
            data.vocabulary,
            settings.train.batch_tokens,
            settings.train.seed,
            settings.data.subword_dropout,
        )
        self.stop_requested = False  # set it to end after the current update
        if run.checkpoint.exists():
            self._resume()
        else:
            run.log.unlink(missing_ok=True)  # of a start that did not come to its first checkpoint

    @property
    def parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.model.parameters())

    def events(self) -> Iterator[Event]:
        """Train until an end is reached or `stop_requested` is set, which saves and returns."""
        progress = self.progress
        if progress.finished:
            return
        if not progress.step:
            yield self._log(Started(self.parameters, self.device.name, self.choices))
        with contextlib.closing(self.batches.start_at(progress.position)) as batches:
            yield from self._loop(batches)

    def _loop(self, batches: Iterator[Batch]) -> Iterator[Event]:
        progress, train = self.progress, self.settings.train
        window_started = time.monotonic()
        while True:
            self._update([next(batches) for _ in range(train.accumulate)])
            if progress.step % _LOG_EVERY == 0:
                yield self._log(self._stepped(time.monotonic() - window_started))
                window_started = time.monotonic()
            reason = self._end()
            if not reason and (progress.step % train.validate_every == 0 or self._first_look()):
                before = time.monotonic()
                yield self._log(self._validate())
                window_started += time.monotonic() - before
                reason = self._out_of_patience()
            if reason:
                yield from self._finish(reason, time.monotonic() - window_started)
                return
            if self.stop_requested or progress.step % train.save_every == 0:
                before = time.monotonic()
                yield self._save()
                window_started += time.monotonic() - before
            if self.stop_requested:
                return

    # --- one update -----------------------------------------------------------------------------

    def _update(self, batches: Sequence[Batch]) -> None:
        """One optimizer step on the mean loss per token of all `batches` together."""
        train, progress = self.settings.train, self.progress
        tokens = sum(batch.tokens for batch in batches)
        self.model.train()
        self.optimizer.zero_grad()
        for batch in batches:
            with autocast(self.device.torch, train.precision):
                loss = batch_loss(self.model, batch.to(self.device.torch), train.label_smoothing)
            (loss.smoothed / tokens).backward()
            progress.window.loss += float(loss.smoothed.detach())
            progress.window.likelihood += float(loss.likelihood)
        norm = float(
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), train.clip_norm or math.inf)
        )
        progress.step += 1
        progress.position, progress.epochs = batches[-1].next, batches[-1].epochs
        progress.window.tokens += tokens
        progress.window.steps += 1
        progress.window.norm = max(progress.window.norm, norm)
        self._apply(math.isfinite(norm))

    def _apply(self, finite: bool) -> None:
        """Move the weights and their average; an update that is not finite is left out."""
        progress = self.progress
        if not finite:
            progress.skipped += 1
            if progress.skipped > _SKIPPED:
                raise TrainingError(
                    f"step {progress.step}: no finite gradient for {_SKIPPED} updates",
                    "lower train.learning_rate or train.clip_norm and start anew with --fresh",
                )
            return
        progress.skipped = 0
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate()
        self.optimizer.step()
        decay = min(self.settings.train.ema, (1 + progress.step) / (10 + progress.step))
        with torch.no_grad():
            torch._foreach_lerp_(
                list(self.average.parameters()),
                list(self.model.parameters()),
                1 - decay if self.settings.train.ema else 1.0,
            )

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
        return train.learning_rate * warmup * decay

    # --- how far ----------------------------------------------------------------------------------

    def seconds(self) -> float:
        """Spent on this training: in this process, from the command's start, and before."""
        return self.progress.seconds + time.monotonic() - self.started

    def done(self) -> float:
        """The part of the training that is behind, 0 to 1, by whichever limit comes first."""
        train, progress = self.settings.train, self.progress
        parts = [0.0]
        if train.max_steps:
            parts.append(progress.step / train.max_steps)
        if train.max_epochs:
            parts.append(progress.epochs / train.max_epochs)
        if train.budget:
            reserve = 1.15 * progress.validation_took + 1.0  # the last validation and the saving
            parts.append(self.seconds() / max(1.0, train.budget - reserve))
        return max(parts)

    def _end(self) -> str:
        train, progress = self.settings.train, self.progress
        if train.max_steps and progress.step >= train.max_steps:
            return f"train.max_steps = {train.max_steps} reached"
        if train.max_epochs and progress.position.epoch >= train.max_epochs:
            return f"train.max_epochs = {train.max_epochs} reached"
        if train.budget and self.done() >= 1:
            return f"the budget of {train.budget:.0f} s is used"
        return ""

    def _first_look(self) -> bool:
        """A budget is kept only if it is known what a validation takes: find out early."""
        unknown = self.progress.validated < 0 and self.settings.train.budget
        return bool(unknown and self.done() > 0.2)

    def _out_of_patience(self) -> str:
        train, progress = self.settings.train, self.progress
        if train.patience and progress.worse >= train.patience:
            return f"{progress.worse} validations without a better {train.best_by}"
        return ""

    # --- validation -------------------------------------------------------------------------------

    def _validate(self) -> Validated:
        """Score the averaged weights, and keep them if they are the best so far."""
        started, progress, train = time.monotonic(), self.progress, self.settings.train
        valid = self.data.valid
        every = np.arange(len(valid))
        batches = grouped(
            valid.ids("source", every), valid.ids("target", every), train.batch_tokens
        )
        score = perplexity(self.average, batches, train.precision)
        rows = every[: train.validate_lines or None]
        sources, references = valid.text("source", rows), valid.text("target", rows)
        translations = [t.text for t in self._translator().translate(sources)]
        quality = bleu(translations, references)
        best = self._is_best(score, quality)
        progress.validated = progress.step
        if best:
            progress.worse = 0
            progress.best_step = progress.step
            progress.best_perplexity, progress.best_bleu = score, quality
            self._keep()
        else:
            progress.worse += 1
            if train.schedule == "plateau":
                progress.rate_factor *= 0.5
        progress.validation_took = time.monotonic() - started
        shown = range(min(_SAMPLES, len(sources)))
        return Validated(
            step=progress.step,
            epoch=progress.epochs,
            perplexity=score,
            bleu=quality,
            best=best,
            took=progress.validation_took,
            seconds=self.seconds(),
            samples=[Sample(sources[i], translations[i], references[i]) for i in shown],
        )

    def _is_best(self, score: float, quality: float) -> bool:
        """By `train.best_by`, the other of the two deciding between equals."""
        progress = self.progress
        if progress.best_step < 0:
            return True
        new, old = (quality, -score), (progress.best_bleu, -progress.best_perplexity)
        if self.settings.train.best_by == "perplexity":
            return new[::-1] > old[::-1]
        return new > old

    def _translator(self) -> Translator:
        """Greedy, for the sake of time; otherwise what `nmt translate` does."""
        options = SearchOptions(
            beam=1,
            length_penalty=self.settings.translate.length_penalty,
            max_ratio=self.settings.translate.max_ratio,
            max_extra=self.settings.translate.max_extra,
        )
        return Translator(
            self.average, self.data.vocabulary, options, self.settings.data.max_length
        )

    def _keep(self) -> None:
        """Put the averaged weights in the run, as its model."""
        progress = self.progress
        scores = {
            "step": progress.step,
            "epoch": progress.epochs,
            "perplexity": progress.best_perplexity,
            "bleu": progress.best_bleu,
        }
        write_tensors(self.run.model, weights_of(self.average), scores)
        write_text(self.run.scores, to_json(scores, indent=2) + "\n")

    def _finish(self, reason: str, since_logged: float) -> Iterator[Event]:
        """A last look, the last checkpoint, and the end."""
        progress = self.progress
        if progress.window.steps:
            yield self._log(self._stepped(since_logged))
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
        )
        self._log(finished)
        yield self._save()
        yield replace(finished, seconds=self.seconds())

    # --- log and checkpoint -----------------------------------------------------------------------

    def _stepped(self, took: float) -> Stepped:
        progress, window = self.progress, self.progress.window
        progress.window = Window()
        return Stepped(
            step=progress.step,
            epoch=progress.epochs,
            loss=window.loss / max(1, window.tokens),
            perplexity=perplexity_of(window.likelihood, window.tokens),
            learning_rate=self.learning_rate(),
            gradient_norm=window.norm,
            target_tokens_per_second=window.tokens / max(took, 1e-9),
            seconds=self.seconds(),
            progress=min(1.0, self.done()),
        )

    def _log(self, event: Event) -> Event:
        """Append an event to log.jsonl."""
        name = _NAMES[type(event)]
        line = to_json({"event": name, "time": time.time(), **asdict(event)})
        content = f"{line}\n".encode()
        try:
            with self.run.log.open("ab") as file:
                file.write(content)
        except OSError as error:
            raise cannot_write(self.run.log, error) from None
        self.progress.log_bytes += len(content)
        return event

    def _save(self) -> Saved:
        """Write all that resuming needs, in one file."""
        tensors: dict[str, Tensor] = {"random.cpu": torch.get_rng_state()}
        if self.device.torch.type == "cuda":
            tensors["random.cuda"] = torch.cuda.get_rng_state(self.device.torch)
        for name, weight in weights_of(self.model).items():
            tensors[f"model.{name}"] = weight
            for key, value in self.optimizer.state.get(weight, {}).items():
                tensors[f"optimizer.{key}.{name}"] = value
        for name, weight in weights_of(self.average).items():
            tensors[f"average.{name}"] = weight
        progress = replace(self.progress, seconds=self.seconds())
        write_tensors(self.run.checkpoint, tensors, asdict(progress))
        return Saved(progress.step, progress.seconds)

    def _resume(self) -> None:
        """Take up a checkpoint: weights, averages, optimizer, generators, progress and log."""
        tensors, about = read_tensors(self.run.checkpoint)
        try:
            self.progress = Progress.from_dict(about)
        except (KeyError, TypeError):
            raise RunError(
                f"{self.run.checkpoint}: not a checkpoint of this version of nmt", "use --fresh"
            ) from None
        for part, model in (("model.", self.model), ("average.", self.average)):
            mine = {n.removeprefix(part): t for n, t in tensors.items() if n.startswith(part)}
            restore(model, mine, self.run.checkpoint)
        for name, weight in weights_of(self.model).items():
            for key in ("step", "exp_avg", "exp_avg_sq"):
                if (value := tensors.get(f"optimizer.{key}.{name}")) is not None:
                    self.optimizer.state[weight][key] = value.to(self.device.torch)
        torch.set_rng_state(tensors["random.cpu"])
        if self.device.torch.type == "cuda" and "random.cuda" in tensors:
            torch.cuda.set_rng_state(tensors["random.cuda"], self.device.torch)
        if self.run.log.exists():
            with self.run.log.open("rb+") as file:  # events after the checkpoint will come again
                whole = file.read(self.progress.log_bytes).rfind(b"\n") + 1
                file.truncate(whole)
            self.progress.log_bytes = whole
        else:
            self.progress.log_bytes = 0


def _optimizer(model: Seq2Seq, train: TrainSettings) -> torch.optim.Optimizer:
    make = torch.optim.Adam if train.optimizer == "adam" else torch.optim.AdamW
    decay = train.weight_decay if train.optimizer == "adamw" else 0.0
    return make(model.parameters(), lr=train.learning_rate, weight_decay=decay, fused=True)
