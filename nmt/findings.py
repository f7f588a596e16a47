"""A diagnosis for people and programs: a verdict in words, tables, a page with figures, JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from nmt import __version__, diagrams
from nmt.context import KEPT, Context, Side, Way
from nmt.diagnose import LECTURE, SAFE, Bin, CellReach, Diagnosis, Exploding
from nmt.errors import RunError
from nmt.files import replacing_folder
from nmt.gates import SHARES, Layer
from nmt.page import Block, Figure, Items, Page, Prose, Section, Table, write
from nmt.picture import CHART, save, svg
from nmt.reach import HALF, HUNDREDTH, Part, Reach, recurrent_path

PAGE = "diagnosis.html"

_RECURRENT: tuple[Part, ...] = ("decoder", "encoder, forward", "encoder, backward")
_SIDES: dict[Side, str] = {"source": "its source", "target": "the target's history"}
_HARMLESS = 0.02  # nats a subword, 2% of perplexity, that nobody misses
_FAR = 100  # subwords: the distance at which every reach is told
_NEAR = 10
_GROWN = 10.0  # times as large as at distance 0: a gradient that explodes
_MEDIAN, _SLOWEST = SHARES.index(0.5), SHARES.index(0.95)


# --- the verdict ----------------------------------------------------------------------------------


def verdict(diagnosis: Diagnosis) -> list[str]:
    """What it comes to, a sentence or two for each measurement."""
    return [
        *_on_vanishing(diagnosis),
        *_on_attention(diagnosis),
        *_on_cells(diagnosis.cells),
        *_on_gates(diagnosis.layers),
        *_on_exploding(diagnosis.exploding),
        *_on_context(diagnosis.context),
        *_on_lengths(diagnosis.bins),
    ]


def _on_vanishing(diagnosis: Diagnosis) -> Iterator[str]:
    middle, most = diagnosis.sample.lengths
    for part in _RECURRENT:
        found = recurrent_path(diagnosis.reach, part)
        if not found:
            continue
        gone = found.falls_to(HUNDREDTH)
        if gone is None and found.farthest < most:
            judged = f"it was followed no farther, and your sentences have up to {most:.0f}"
        elif gone is None or gone > most:
            judged = f"it spans 95% of your sentences, which have up to {most:.0f}"
        elif gone > middle:
            judged = f"it spans the median sentence of {middle:.0f}, but not those of {most:.0f}"
        else:
            judged = f"it vanishes within the median sentence of {middle:.0f}"
        yield (
            f"{_capital(_named(part))}: the gradient by h is down to a half after "
            f"{_at(found, HALF)} and to 1% after {_at(found, HUNDREDTH)} subwords; {judged}."
        )
        if (largest := float(np.nanmax(found.median))) > _GROWN:
            at = int(np.nanargmax(found.median))
            yield f"On its way it explodes: {at} subwords back it is {largest:.3g} times as large."


def _on_attention(diagnosis: Diagnosis) -> Iterator[str]:
    ways = {each.detached: each for each in diagnosis.reach if each.part == "source"}
    if True not in ways or False not in ways:
        return
    far = round(2 * diagnosis.sample.lengths[0])
    left, alone = (_left_at(ways[detached], far) for detached in (False, True))
    if left is not None and alone is not None:
        yield (
            f"From a target token to the source, {far} recurrent steps away, attention leaves "
            f"{_share(left)} of the gradient; the recurrent path alone leaves {_share(alone)}."
        )


def _on_cells(cells: Sequence[CellReach]) -> Iterator[str]:
    for each in cells:
        found = recurrent_path(each.reach, "decoder")
        if found:
            lecture = f" (lectures: about {LECTURE[each.cell]})" if each.cell in LECTURE else ""
            how = f"trained for {each.steps:,} steps" if each.steps else "untrained"
            yield (
                f"A decoder of {each.cell} cells, {how}, has 1% of the gradient left after "
                f"{_at(found, HUNDREDTH)} subwords{lecture}."
            )


def _on_gates(layers: Sequence[Layer]) -> Iterator[str]:
    for layer in layers:
        if gate := layer.keeper:
            scales = gate.timescales
            yield (
                f"{_capital(layer.name)}: by their {gate.name} gates half of the units keep what "
                f"they know for less than {_steps(scales[_MEDIAN])} subwords, the slowest 5% for "
                f"{_steps(scales[_SLOWEST])} and more."
            )
        elif layer.spectrum:
            singular, radius = layer.spectrum.singular, layer.spectrum.radius
            fate = "gradients have to vanish" if singular < 1 else "gradients may grow or vanish"
            yield (
                f"{_capital(layer.name)}: the recurrent matrix has a largest singular value of "
                f"{singular:.2f} and a spectral radius of {radius:.2f}, so {fate}; "
                f"{_share(layer.gates[0].saturated)} of its states are saturated and pass on "
                "next to nothing."
            )


def _on_exploding(found: Exploding | None) -> Iterator[str]:
    if not found:
        return
    threshold = found.curves.clip_norm
    clipped = f"{_share(found.clipped)} of the updates were clipped at {threshold:g}"
    yield (
        f"{clipped if threshold else 'Nothing was clipped'}; the largest gradient had a norm of "
        f"{found.largest:.3g}, within ten updates of step {found.at:,}, and the usual "
        f"{found.median:.2g}. After the first tenth of the training a threshold of "
        f"{found.threshold:.2g} would have clipped about one update in a hundred."
    )


def _on_context(context: Context | None) -> Iterator[str]:
    if not context:
        return
    for side in context.sides:
        (nothing,) = (loss for loss in context.of(side, "truncated") if not loss.kept)
        yield (
            f"Without {_SIDES[side]} the model loses {nothing.nats - context.nats:.2f} nats a "
            f"subword. {_enough(context, side)}"
        )


def _on_lengths(bins: Sequence[Bin]) -> Iterator[str]:
    if len(bins) > 1:
        yield (
            f"BLEU is {bins[0].bleu:.1f} for sources of {bins[0].lengths} subwords, and "
            f"{bins[-1].bleu:.1f} for those of {bins[-1].lengths}."
        )


def _enough(context: Context, side: Side) -> str:
    """How much of a side is looked at, and how much of it in order."""
    cut, ordered = (context.enough(side, way, _HARMLESS) for way in ("truncated", "shuffled"))
    if cut == 0:
        return "Nothing of it matters."
    most = KEPT[-1]
    far = f"more than the last {most} matter" if cut is None else f"only the last {cut} matter"
    if ordered is None:
        return f"Of its subwords {far}, and so does their order."
    order = f"the last {ordered} in order" if ordered else "in any order"
    return f"Of its subwords {far}, {order}."


# --- the tables -----------------------------------------------------------------------------------


def tables(diagnosis: Diagnosis) -> dict[str, Table]:
    """By what they are about, in order."""
    found = {"reach": _reach_table(diagnosis.reach)}
    if diagnosis.cells:
        found["cells"] = _cells_table(diagnosis.cells)
    found["gates"] = _gates_table(diagnosis.layers)
    if any(layer.spectrum for layer in diagnosis.layers):
        found["spectra"] = _spectra_table(diagnosis.layers)
    if diagnosis.exploding:
        found["norms"] = _norms_table(diagnosis.exploding)
    if diagnosis.context:
        found["context"] = _context_table(diagnosis.context)
    if diagnosis.bins:
        found["lengths"] = _lengths_table(diagnosis.bins)
    return found


def titled(diagnosis: Diagnosis) -> Iterator[tuple[str, Table]]:
    """The same with titles, for a terminal."""
    titles = {name: title for name, title, *_ in _SECTIONS} | {"spectra": "Recurrent matrices"}
    for name, table in tables(diagnosis).items():
        yield titles[name], table


def _reach_table(reaches: Sequence[Reach]) -> Table:
    attends = any(each.detached for each in reaches)
    order = {part: number for number, part in enumerate((*_RECURRENT, "source"))}
    rows = [
        (
            _named(each.part),
            f"∂J/∂{each.to}",
            ("detached" if each.detached else "as it is") if attends else "none",
            _at(each, HALF),
            _at(each, HUNDREDTH),
            _share(_left_at(each, _NEAR)),
            _share(_left_at(each, _FAR)),
        )
        for each in sorted(reaches, key=lambda each: (order[each.part], each.to, each.detached))
    ]
    return Table(
        ("in", "gradient", "attention", "half at", "1% at", f"left at {_NEAR}", f"at {_FAR}"),
        rows,
        "How far gradients reach back: distances in subwords at which the median of the norm, over "
        "that at distance 0, has fallen to a half and to 1%; and what is left of it.",
        align="lllrrrr",
    )


def _cells_table(cells: Sequence[CellReach]) -> Table:
    rows = []
    for each in cells:
        row = [each.cell, "–" if each.perplexity is None else f"{each.perplexity:.2f}"]
        for part in _RECURRENT[:2]:
            found = recurrent_path(each.reach, part)
            row += [_at(found, share) if found else "–" for share in (HALF, HUNDREDTH)]
        rows.append([*row, f"≈ {LECTURE[each.cell]}" if each.cell in LECTURE else "–"])
    steps = f"trained alike for {cells[0].steps:,} steps" if cells[0].steps else "untrained"
    return Table(
        ("cell", "perplexity", "decoder: half", "1%", "encoder: half", "1%", "lectures"),
        rows,
        f"The three cells of equal width, {steps}: distances in subwords at which the gradient by "
        "h on the recurrent path has fallen to a half and to 1%, and the tokens of context that "
        "lectures give.",
    )


def _gates_table(layers: Sequence[Layer]) -> Table:
    rows = []
    for layer in layers:
        for number, gate in enumerate(layer.gates):
            scales = gate.timescales
            rows.append(
                (
                    layer.name if not number else "",
                    gate.name,
                    f"{gate.quantiles[_MEDIAN]:z.2f}",
                    _share(gate.closed),
                    _share(gate.open),
                    _steps(scales[_MEDIAN]) if scales else "",
                    _steps(scales[_SLOWEST]) if scales else "",
                    _steps(scales[-1]) if scales else "",
                )
            )
    return Table(
        ("layer", "gate", "median", "below", "above", "timescale", "slowest 5%", "slowest"),
        rows,
        "Gates on your text: the median; the shares that are saturated, below 0.05 and above 0.95 "
        "(of a tanh, beyond ±0.9); and of the gate that keeps the state the timescale −1/ln f, in "
        "subwords, of the median unit, the slowest 5%, and the slowest of all.",
        align="llrrrrrr",
    )


def _spectra_table(layers: Sequence[Layer]) -> Table:
    rows = [
        (layer.name, f"{layer.spectrum.singular:.3f}", f"{layer.spectrum.radius:.3f}")
        for layer in layers
        if layer.spectrum
    ]
    return Table(
        ("layer", "largest singular value", "spectral radius"), rows, "Recurrent matrices."
    )


def _norms_table(found: Exploding) -> Table:
    threshold = found.curves.clip_norm
    rows = [
        ("the whole gradient", f"{found.median:.3g}", f"{found.largest:.3g}"),
        *((name, f"{middle:.3g}", f"{most:.3g}") for name, (middle, most) in found.layers.items()),
    ]
    clipped = f"{_share(found.clipped)} of the updates were clipped at {threshold:g}; "
    return Table(
        ("of", "median", "largest"),
        rows,
        "Gradient norms over the training, before clipping, each the largest of ten updates. "
        f"{clipped if threshold else ''}a threshold of {found.threshold:.3g} is suggested: "
        f"{SAFE:.0%} of these norms after the first tenth of the training are below it, so that "
        "about one update in a hundred is above.",
    )


def _context_table(context: Context) -> Table:
    ways: tuple[Way, ...] = ("truncated", "shuffled")
    names = {"source": "source", "target": "history"}
    columns = [(side, way) for side in context.sides for way in ways]
    losses = {(each.side, each.way, each.kept): each.nats for each in context.losses}
    rows = [
        [f"{kept}", *(f"{losses[(*column, kept)] - context.nats:+.3f}" for column in columns)]
        for kept in KEPT
    ]
    return Table(
        ("k", *(f"{names[side]} {way}" for side, way in columns)),
        rows,
        f"What it costs, in nats a target subword over {context.nats:.3f}, to truncate a side to "
        "its last k subwords, or to shuffle what is beyond them.",
    )


def _lengths_table(bins: Sequence[Bin]) -> Table:
    rows = [(each.lengths, f"{each.sentences}", f"{each.bleu:.1f}") for each in bins]
    header = ("source subwords", "sentences", "BLEU")
    return Table(header, rows, "BLEU by the length of the source.")


# --- the page, with its figures -------------------------------------------------------------------


def write_folder(diagnosis: Diagnosis, folder: Path) -> None:
    """Put figures (.png and .svg) and page into a folder, which is replaced as a whole.

    Raises:
        RunError: the folder holds something else.
    """
    refuse_other(folder)
    with replacing_folder(folder) as beside:
        drawn = diagrams.figures(diagnosis)
        for name, draw in drawn.items():
            for kind in ("png", "svg"):
                save(beside / f"{name}.{kind}", draw, CHART)
        shown = {name: svg(draw, CHART) for name, draw in drawn.items()}
        write(page(diagnosis, shown), beside / PAGE)


def refuse_other(folder: Path) -> None:
    """Raises RunError when writing a diagnosis there would replace something else."""
    if folder.exists() and not (folder.is_dir() and _is_ours(folder)):
        raise RunError(f"{folder}: is there already, and is no diagnosis", "use another --out")


def _is_ours(folder: Path) -> bool:
    return (folder / PAGE).is_file() or not any(folder.iterdir())


_SECTIONS = (
    # File of the figure, title, what it shows, caption, and further tables.
    (
        "reach",
        "How far gradients reach",
        "How much a loss hears of what the network did so many subwords before: the norm of the "
        "derivative, over that at distance 0. J of the decoder is −log p of a token; within the "
        "encoder it is the part of the loss that comes in at one of its outputs. With attention "
        "detached, what attention finds is taken as constant and only the recurrent path speaks. "
        "Sentences were put together to sequences long enough for it.",
        "What is left of a gradient by distance: medians over tokens and, for h, quartiles.",
        (),
    ),
    (
        "cells",
        "Three cells",
        "The same network with tanh-RNN, GRU and LSTM cells of equal width, trained alike on the "
        "same text. Lectures say that a vanilla RNN conditions on about 7 tokens, and an LSTM on "
        "about 100.",
        "The gradient by h on the recurrent path alone; dashed, the lectures' numbers.",
        (),
    ),
    (
        "gates",
        "Why",
        "A gradient that goes back along a cell's memory is multiplied at each step by the gate "
        "that keeps it: f of an LSTM, z of a GRU. A tanh-RNN multiplies by its recurrent matrix, "
        "and by 1 − h², which is next to nothing where a unit is saturated.",
        "The values of gates and candidates on your text; filled, the gate that keeps the state.",
        ("spectra",),
    ),
    (
        "norms",
        "Exploding gradients",
        "Norms before clipping, from the training's log. Each value is the largest of ten updates.",
        "Gradient norms over the training.",
        (),
    ),
    (
        "context",
        "Does context help",
        "The loss of the known translations when the source, or the subwords before each target "
        "subword, are cut to the last k, or shuffled beyond them.",
        "What truncated and shuffled context costs.",
        (),
    ),
    (
        "lengths",
        "Short and long sentences",
        "Translations by the model's own search, in groups of about equal size.",
        "BLEU by the length of the source.",
        (),
    ),
)


def page(diagnosis: Diagnosis, figures: dict[str, str]) -> Page:
    """Args: figures: SVG by name, as `nmt.diagrams` names them."""
    shown = tables(diagnosis)
    sections = []
    for name, title, about, caption, more in _SECTIONS:
        if name in shown:
            blocks: list[Block] = [Prose(about), Figure(figures[name], caption), shown[name]]
            blocks += [shown[other] for other in more if other in shown]
            sections.append(Section(title, blocks))
    if diagnosis.left_out:
        missing = [f"{each}." for each in map(_capital, diagnosis.left_out)]
        sections.append(Section("What was not measured", [Items(missing)]))
    sample, model = diagnosis.sample, diagnosis.settings.model
    trained = "trained" if diagnosis.trained else "untrained"
    shape = f"encoder–decoder, {model.encoder_layers} and {model.decoder_layers} layers"
    if diagnosis.settings.data.task == "lm":
        shape = f"language model, {model.decoder_layers} layers"
    return Page(
        title=f"Diagnosis of {diagnosis.run}",
        subtitle=f"{trained} {model.cell} {shape} of {model.hidden}, attention {model.attention}; "
        f"{len(sample.pairs):,} of {sample.of:,} lines of text",
        summary=[Items(verdict(diagnosis))],
        sections=sections,
        colophon=f"nmt {__version__}, nmt diagnose",
    )


# --- for programs ---------------------------------------------------------------------------------


def as_record(diagnosis: Diagnosis) -> dict[str, Any]:
    """All numbers; those that are not finite become null when they are written."""
    middle, most = diagnosis.sample.lengths
    record: dict[str, Any] = {
        "run": diagnosis.run,
        "trained": diagnosis.trained,
        "sample": {
            "pairs": len(diagnosis.sample.pairs),
            "of": diagnosis.sample.of,
            "target_subwords": {"median": middle, "quantile_95": most},
        },
        "reach": [_reach_record(each) for each in diagnosis.reach],
        "cells": [
            {
                "cell": each.cell,
                "steps": each.steps,
                "perplexity": each.perplexity,
                "reach": [_reach_record(found) for found in each.reach],
            }
            for each in diagnosis.cells
        ],
        "layers": [_plain(layer) for layer in diagnosis.layers],
        "exploding": _plain(diagnosis.exploding),
        "context": _plain(diagnosis.context),
        "bleu_by_length": [_plain(each) for each in diagnosis.bins],
        "left_out": list(diagnosis.left_out),
        "verdict": verdict(diagnosis),
    }
    return record


def _reach_record(found: Reach) -> dict[str, Any]:
    lower, median, upper = found.quartiles.tolist()
    return {
        "part": found.part,
        "by": found.to,
        "attention_detached": found.detached,
        "tokens": found.tokens,
        "half_at": found.falls_to(HALF),
        "hundredth_at": found.falls_to(HUNDREDTH),
        "median": median,
        "lower_quartile": lower,
        "upper_quartile": upper,
    }


def _plain(value: Any) -> Any:
    """A dataclass as a dictionary, without the curves: they are in the log."""
    if value is None:
        return None
    return {key: part for key, part in asdict(value).items() if key != "curves"}


# --- words ----------------------------------------------------------------------------------------


def _named(part: Part) -> str:
    return {"source": "token to source"}.get(part, part)


def _at(found: Reach, share: float) -> str:
    """A distance, or that it is beyond what was measured."""
    at = found.falls_to(share)
    return f"> {found.farthest}" if at is None else f"{at}"


def _left_at(found: Reach, distance: int) -> float | None:
    return float(found.median[distance]) if distance <= found.farthest else None


def _share(value: float | None) -> str:
    """`12%`, `0.31%`, `< 0.001%`."""
    if value is None or not np.isfinite(value):
        return "–"
    percent = 100 * value
    if 0 < percent < 0.001:
        return "< 0.001%"
    return f"{percent:.0f}%" if percent >= 9.95 or not percent else f"{percent:.2g}%"


def _steps(value: float) -> str:
    if not np.isfinite(value):
        return "∞"
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
