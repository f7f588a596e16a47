"""What translations are worth, by sacreBLEU itself: scores, how sure they are, and which
differences are more than chance.

Every number equals the `sacrebleu` command's to the last digit: lines lose the spaces at their end
as they do there. Where many candidates are compared nmt.metrics counts the same faster.

    N lines; a reference is N lines, and there may be several
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF
from sacrebleu.metrics.ter import TER
from sacrebleu.significance import PairedTest

from nmt import __version__
from nmt.choices import DeviceName, SignificanceTest
from nmt.device import open_device
from nmt.errors import SettingsError
from nmt.judgement import EvaluationSet, Interval, Resampling, Score

MOST_RESAMPLED = 10_000
"""Lines of a test set up to which intervals and tests are made unasked: sacreBLEU holds all
resamples in memory, 100 kB a line."""

_RESAMPLES, _TRIALS = 1_000, 10_000  # of the bootstrap, of approximate randomisation
_MULTILINGUAL = ("flores200", "flores101")  # tokenizers of spBLEU, the best first
_TOGETHER = 16  # lines of a batch of COMET's


def bleu(hypotheses: Sequence[str], references: Sequence[str]) -> float:
    """sacreBLEU's BLEU with its defaults."""
    return float(BLEU().corpus_score(list(hypotheses), [list(references)]).score)


@dataclass(frozen=True)
class Options:
    """How text is compared."""

    lowercase: bool = False
    tokenize: str | None = None  # BLEU's, by sacreBLEU's name; None: what it takes for `language`
    language: str = ""  # of the translations, where the command says it


class Scorer:
    """Scores translations against the references of one test set."""

    def __init__(self, references: Sequence[Sequence[str]], options: Options) -> None:
        """Raises SettingsError: the tokenizer is unknown, or what it needs is not installed."""
        self.references = [_stripped(lines) for lines in references]
        self.lowercase = options.lowercase
        self.metrics = _metrics(self.references, options)

    @property
    def tokenizer(self) -> str:
        """BLEU's, as its signature has it."""
        return str(self.metrics["bleu"].tokenizer_signature)

    def scores(
        self, systems: Sequence[Sequence[str]], resampling: Resampling | None
    ) -> list[dict[str, Score]]:
        """Each system's scores: with an interval, and tested against the first, if asked for."""
        outputs = [_stripped(lines) for lines in systems]
        found: list[dict[str, Score]] = [{} for _ in outputs]
        for name, metric in self.metrics.items():
            for each, score in zip(found, _scores(metric, outputs, resampling), strict=True):
                each[name] = score
        signature = f"nrefs:{len(self.references)}|case:{'lc' if self.lowercase else 'mixed'}"
        for each, lines in zip(found, outputs, strict=True):
            exact = self.exact(lines)
            each["exact"] = Score(100 * sum(exact) / len(exact), signature)
        return found

    def only(self, rows: Sequence[int], lines: Sequence[str]) -> dict[str, float]:
        """A system's scores on some of the lines."""
        chosen = _stripped(lines[row] for row in rows)
        references = [[reference[row] for row in rows] for reference in self.references]
        exact = self.exact(lines)
        return {
            **{n: float(m.corpus_score(chosen, references).score) for n, m in self.metrics.items()},
            "exact": 100 * sum(exact[row] for row in rows) / len(rows),
        }

    def exact(self, lines: Sequence[str]) -> list[bool]:
        """Which of all the lines are one of their references, but for spaces."""
        return [
            self._plain(line) in map(self._plain, references)
            for line, *references in zip(lines, *self.references, strict=True)
        ]

    def _plain(self, line: str) -> str:
        text = " ".join(line.split())
        return text.lower() if self.lowercase else text

    def by_line(self, name: str, lines: Sequence[str]) -> Statistics:
        """What a metric counts in each line."""
        return Statistics(self.metrics[name], _stripped(lines), self.references)


class Statistics:
    """What a metric counts in each line of a system, from which comes its score on any lines: what
    sacreBLEU's own tests of significance are built on."""

    def __init__(
        self, metric: Any, lines: Sequence[str], references: Sequence[Sequence[str]]
    ) -> None:
        self._metric, self._lines = metric, metric._extract_corpus_statistics(lines, references)
        self._sentence = metric
        if isinstance(metric, BLEU):  # as `sacrebleu --sentence-level` does
            self._sentence = BLEU(effective_order=True)

    def score(self, rows: Iterable[int]) -> Any:
        """sacreBLEU's score of these lines together; there must be some."""
        return self._metric._aggregate_and_compute([list(self._lines[row]) for row in rows])

    def sentence(self, row: int) -> Any:
        """sacreBLEU's score of a line alone."""
        return self._sentence._aggregate_and_compute([list(self._lines[row])])


def _stripped(lines: Iterable[str]) -> list[str]:
    return [line.rstrip() for line in lines]


# --- metrics --------------------------------------------------------------------------------------


def _metrics(references: list[list[str]], options: Options) -> dict[str, Any]:
    """sacreBLEU's metrics by our names for them (nmt.judgement.METRICS)."""
    about: dict[str, Any] = {"lowercase": options.lowercase, "references": references}
    metrics: dict[str, Any] = {
        "bleu": _bleu(options, force=True, **about),
        "chrf": CHRF(**about),
        "chrf++": CHRF(word_order=2, **about),
        "ter": TER(references=references),  # which knows no case, as the command has it
    }
    for name in _MULTILINGUAL:
        if _has_model(name):
            return metrics | {"spbleu": BLEU(tokenize=name, force=True, **about)}
    return metrics


def model_of(tokenizer: str) -> Path:
    """Where sacreBLEU looks for the SentencePiece model of one of its tokenizers."""
    from sacrebleu.tokenizers import tokenizer_spm

    models: Any = tokenizer_spm
    name = models.SPM_MODELS[tokenizer]["url"].rpartition("/")[2]
    return Path(models.SACREBLEU_DIR, "models", name)


def _has_model(tokenizer: str) -> bool:
    """False also where nobody lets us look: the cache may lie in another person's home."""
    return os.path.isfile(model_of(tokenizer))


def _bleu(options: Options, **more: Any) -> BLEU:
    """Raises SettingsError where the tokenizer cannot be had."""
    from sacrebleu.tokenizers.tokenizer_spm import SPM_MODELS

    name, known = options.tokenize, sorted(BLEU.TOKENIZERS)
    if name is not None and name not in known:
        raise SettingsError(
            f"--tokenize {name}: no such tokenizer", f"it is one of {', '.join(known)}"
        )
    if name in SPM_MODELS and not _has_model(name):
        raise SettingsError(
            f"--tokenize {name}: its model is not there ({model_of(name)})",
            f"where there is a network, `sacrebleu REF -i FILE -tok {name}` fetches it",
        )
    try:
        return BLEU(tokenize=name, trg_lang=options.language, **more)
    except (ImportError, RuntimeError) as error:
        language = (name or options.language).partition("-")[0]
        raise SettingsError(
            f"the tokenizer {name or f'{language}-mecab'} needs a package that is not installed",
            f"pip install 'sacrebleu[{language}]', or choose another with --tokenize",
        ) from error


# --- intervals and tests --------------------------------------------------------------------------


def resampling_for(
    lines: int, systems: int, test: SignificanceTest, resamples: int | None
) -> Resampling | None:
    """How sure scores are to be made.

    Args:
        resamples: of the bootstrap; 0: none; None: sacreBLEU's number, if the test set is not so
            large that it would fill the memory.

    Raises:
        SettingsError: the variable SACREBLEU_SEED is no seed.
    """
    if resamples is None:
        resamples = _RESAMPLES if lines <= MOST_RESAMPLED else 0
    if not resamples:
        return None
    trials = resamples if test == "bs" else _TRIALS
    seed = os.environ.get("SACREBLEU_SEED", "12345").lower()
    if seed != "none" and not re.fullmatch("[0-9]+", seed):
        raise SettingsError(
            f"SACREBLEU_SEED={seed}: is no seed", "set it to a whole number or to none, or unset it"
        )
    return Resampling(test if systems > 1 else None, resamples, trials, seed)


def _scores(metric: Any, systems: list[list[str]], resampling: Resampling | None) -> list[Score]:
    """Of one metric, each system by itself or with intervals and tests against the first."""
    if resampling is None:
        found = [float(metric.corpus_score(lines, None).score) for lines in systems]
        return [Score(score, _signature(metric)) for score in found]
    results = _resampled(metric, systems, resampling)
    signature = _signature(metric)
    intervals = [Interval(float(each.mean), float(each.ci)) for each in results]
    p_values = [  # sacreBLEU's bootstrap calls what is no difference at all a certain one
        1.0 if each.p_value is not None and lines == systems[0] else each.p_value
        for each, lines in zip(results, systems, strict=True)
    ]
    return [
        Score(float(each.score), signature, interval, p_value)
        for each, interval, p_value in zip(results, intervals, p_values, strict=True)
    ]


def _resampled(metric: Any, systems: list[list[str]], resampling: Resampling) -> list[Any]:
    """sacreBLEU's results of `--paired-bs` or `--paired-ar`, for any number of systems."""
    approximate = resampling.test == "ar"
    test = PairedTest(
        [(f"{number}", lines) for number, lines in enumerate(systems)],
        {"metric": metric},
        references=None,
        test_type="ar" if approximate else "bs",
        n_samples=resampling.trials if approximate else resampling.resamples,
        n_ar_confidence=resampling.resamples if approximate else -1,
    )
    _, found = test()
    (results,) = (found[key] for key in found if key != "System")
    return results


def _signature(metric: Any) -> str:
    """Of the score itself, on which no resampling bears."""
    signature = metric.get_signature()
    for key in ("bs", "ar", "seed"):
        signature.info[key] = None
    return str(signature)


# --- COMET ----------------------------------------------------------------------------------------


class Comet:
    """A COMET model's opinion of translations (Rei et al. 2020), for who has such a model.

    Unlike a run's folder a COMET checkpoint can run code when it is read: use one that you trust.
    """

    def __init__(self, path: Path, device: DeviceName) -> None:
        """Read a model.

        Args:
            path: a checkpoint, or the folder that COMET keeps it in.

        Raises:
            SettingsError: the package is not installed, or there is no model there.
        """
        try:
            from comet import load_from_checkpoint
        except ImportError:
            raise SettingsError(
                "--comet needs a package that is not installed", "pip install 'nmt[comet]'"
            ) from None
        self._model = load_from_checkpoint(str(_checkpoint(path)))
        self._signature = f"nrefs:1|model:{path.resolve().name}|nmt:{__version__}"
        self._gpus = int(open_device(device).torch.type == "cuda")

    def score(self, test: EvaluationSet, lines: Sequence[str]) -> Score:
        """100 times what the model says itself, by the first reference alone."""
        triples = zip(test.sources, lines, test.references[0], strict=True)
        data = [{"src": source, "mt": line, "ref": ref} for source, line, ref in triples]
        said = self._model.predict(data, batch_size=_TOGETHER, gpus=self._gpus, progress_bar=False)
        return Score(100 * float(said.system_score), self._signature)


def _checkpoint(model: Path) -> Path:
    """The file to load."""
    files = [model] if model.is_file() else sorted(model.glob("checkpoints/*.ckpt"))
    files = files or sorted(model.glob("*.ckpt"))
    if not files:
        raise SettingsError(
            f"--comet {model}: there is no COMET model",
            "name its .ckpt file, or the folder that COMET keeps it in",
        )
    return files[-1]
