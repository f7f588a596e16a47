"""COMET (Rei et al. 2020): a model's opinion of translations, for who has such a model.

An extra: pip install 'nmt[comet]'. Unlike a run's folder a COMET checkpoint can run code when it is
read: use one that you trust.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nmt import __version__
from nmt.choices import DeviceName
from nmt.device import open_device
from nmt.errors import SettingsError
from nmt.judging import EvaluationSet, Score

_TOGETHER = 16  # lines in a batch


class Comet:
    """A COMET model that was read."""

    def __init__(self, path: Path, device: DeviceName) -> None:
        """Args:
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
