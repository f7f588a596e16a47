"""What a run is, told from its folder alone: no weights are loaded."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from nmt.checkpoint import Run, read_config
from nmt.config import flat
from nmt.errors import RunError
from nmt.prepare import Manifest

_MILLION_BYTES = 1_000_000


def describe(path: Path) -> dict[str, dict[str, Any]]:
    """Facts by section: model, data, scores, settings.

    Raises:
        RunError: the folder is no run, or something in it cannot be read.
    """
    run = Run(path)
    settings = read_config(run)
    manifest = Manifest.load(path)
    return {
        "model": _model(run),
        "data": _data(manifest),
        "scores": _scores(run),
        "settings": flat(settings),
    }


def _model(run: Run) -> dict[str, Any]:
    if not run.model.is_file():
        return {"state": "no weights yet"}
    try:
        with safe_open(run.model, framework="np") as file:
            sizes = [file.get_slice(name).get_shape() for name in file.keys()]  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise RunError(
            f"{run.model}: cannot be read: {error}", "the file is damaged or cut off"
        ) from None
    parameters = sum(map(math.prod, sizes))
    return {
        "parameters": parameters,
        "megabytes": round(run.model.stat().st_size / _MILLION_BYTES, 1),
    }


def _data(manifest: Manifest) -> dict[str, Any]:
    languages = "-".join(manifest.languages) if manifest.languages else "unknown"
    left_out = ", ".join(f"{n} {why}" for why, n in manifest.train.left_out.items()) or "none"
    return {
        "languages": languages,
        "corpus": "; ".join(corpus["name"] for corpus in manifest.inputs.values()),
        "training pairs": manifest.train.kept,
        "left out": left_out,
        "validation pairs": manifest.valid.kept,
        "subwords": manifest.vocabulary["source"]
        if manifest.settings["joint_vocab"]
        else f"{manifest.vocabulary['source']} and {manifest.vocabulary['target']}",
    }


def _scores(run: Run) -> dict[str, Any]:
    try:
        scores = json.loads(run.scores.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {"validation": "none yet"}
    if not isinstance(scores, dict):
        return {"validation": "unreadable"}
    return {
        f"validation {key}" if key in ("bleu", "perplexity") else key: v
        for key, v in scores.items()
    }
