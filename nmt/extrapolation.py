"""What a score would be with more data: a power law through few points, and how sure it is.

    score(n) = limit + amplitude · n^−exponent

is the family that fits learning curves of machine translation best (Kolachina et al. 2012,
"Prediction of Learning Curves in Machine Translation": Pow3, of BLEU) and that cross-entropies
follow (Hestness et al. 2017; Gordon et al. 2021, of neural translation). The limit of a
cross-entropy is at least 0, that of BLEU at most 100. Two points cannot tell the limit: there it
is the bound.

    P points, E exponents tried, R refits
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from nmt.picture import CHART, COLOURS, save

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = NDArray[np.float64]

_EXPONENTS = np.geomspace(0.02, 2.0, 400)  # [E]
_REFITS = 1_000
_INNER = (5.0, 95.0)  # percentiles: nine in ten
_TRUST = 4  # points of a fit that the noise told from outside counts as much as


@dataclass(frozen=True)
class Family:
    """Which way a score goes as data grow, and what it never passes."""

    bound: float  # the limit lies between it and the data
    sign: int  # of the amplitude: 1 falls, -1 rises


CROSS_ENTROPY = Family(0.0, 1)
BLEU = Family(100.0, -1)


@dataclass(frozen=True)
class PowerLaw:
    """`score(n)`; parameters are numbers, or [R, 1] of several refits."""

    limit: Array
    amplitude: Array  # at the size `unit`
    exponent: Array
    unit: float

    def at(self, sizes: Array | float) -> Array:
        """Scores at `sizes`, broadcast against the parameters."""
        return self.limit + self.amplitude * (np.asarray(sizes) / self.unit) ** -self.exponent


@dataclass(frozen=True)
class Range:
    """A number, and between what it lies nine times in ten."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Extrapolation:
    """A power law through points, and the laws that as likely might have been found."""

    law: PowerLaw
    refits: PowerLaw  # R
    noise: float  # standard deviation of a point
    points: int
    largest: float  # n of the last point
    foretold: float | None  # the last point's score by a fit to the others, if they are enough

    def at(self, size: float) -> Range:
        return _range(self.law.at(size), self.refits.at(size))

    def gain(self, size: float) -> Range:
        """How much more than at the largest point, where the law says it is."""
        here = self.law.at(size) - self.law.at(self.largest)
        return _range(here, self.refits.at(size) - self.refits.at(self.largest))


def extrapolate(
    sizes: Sequence[float], scores: Sequence[float], noise: float, family: Family, seed: int = 1
) -> Extrapolation | None:
    """Fit the law, and find by refits to disturbed points how sure it is.

    The points' noise is estimated from how far they lie off the law, together with `noise`, which
    counts as four further points would: with one degree of freedom left, residuals say little.

    Args:
        sizes: [P], rising.
        scores: [P].
        noise: a guess of a point's standard deviation, from outside.

    Returns:
        None where there are fewer than two points.
    """
    if len(sizes) < 2:
        return None
    n, y = np.asarray(sizes, float), np.asarray(scores, float)
    law = _fit(n, y[None], family)
    left_over = max(0, len(n) - 3)
    off = float(np.sum((law.at(n) - y) ** 2))
    sigma = float(np.sqrt((_TRUST * noise**2 + off) / (_TRUST + left_over)))
    drawn = np.random.default_rng(seed).normal(0.0, sigma, (_REFITS, len(n)))
    refits = _fit(n, law.at(n) + drawn, family)
    foretold = None
    if len(n) >= 4:
        foretold = float(_fit(n[:-1], y[None, :-1], family).at(n[-1])[0, 0])
    return Extrapolation(law, refits, sigma, len(n), float(n[-1]), foretold)


def _range(value: Array, likely: Array) -> Range:
    low, high = np.percentile(likely, _INNER)
    return Range(float(value.item()), float(low), float(high))


def _fit(n: Array, y: Array, family: Family) -> PowerLaw:
    """The least squares: given the exponent, the law is linear in the other two, so exponents are
    tried one by one.

    Args:
        n: [P].
        y: [R, P].
    """
    unit = float(n[-1])
    x = (n / unit) ** -_EXPONENTS[:, None]  # [E, P]
    limits, amplitudes = _candidates(x, y, family)  # [C, R, E]
    shown = limits[..., None] + amplitudes[..., None] * x  # [C, R, E, P]
    error = ((shown - y[:, None]) ** 2).sum(-1)
    error[~_allowed(limits, amplitudes, family)] = np.inf
    if len(n) < 3:
        error[np.abs(limits - family.bound) > 1e-9] = np.inf
    flat = error.transpose(1, 0, 2).reshape(len(y), -1).argmin(1)  # [R]
    which, exponent = np.divmod(flat, len(_EXPONENTS))
    rows = np.arange(len(y))
    return PowerLaw(
        limits[which, rows, exponent][:, None],
        amplitudes[which, rows, exponent][:, None],
        _EXPONENTS[exponent][:, None],
        unit,
    )


def _candidates(x: Array, y: Array, family: Family) -> tuple[Array, Array]:
    """Limits and amplitudes [C, R, E], among which the best within the bounds is: where no bound
    counts, where the limit is at its bound, and where there is no slope at all."""
    mean_x, mean_y = x.mean(1), y.mean(1)[:, None]  # [E], [R, 1]
    centred = x - mean_x[:, None]
    slope = (y @ centred.T) / (centred**2).sum(1)  # [R, E]
    at_bound = ((y - family.bound) @ x.T) / (x**2).sum(1)
    none = np.zeros_like(slope)
    limits = [mean_y - slope * mean_x, none + family.bound, none + mean_y]
    return np.stack(limits), np.stack([slope, at_bound, none])


def _allowed(limits: Array, amplitudes: Array, family: Family) -> NDArray[np.bool_]:
    within = family.sign * (limits - family.bound) >= -1e-9
    return within & (family.sign * amplitudes >= 0)


# --- the picture --------------------------------------------------------------------------------

_FARTHEST = 4.0  # times the largest size, to where the law is drawn
_POINT, _LAW, *_ = COLOURS


@dataclass(frozen=True)
class Panel:
    """A score over the size of the corpus."""

    title: str
    sizes: Sequence[float]
    scores: Sequence[float]  # as the law has them
    fit: Extrapolation | None
    shown: Callable[[Array], Array] = np.asarray  # from a score to what is drawn of it
    log: bool = False


def draw(panels: Sequence[Panel], path: Path) -> None:
    """Write a picture: the points, the law, and between what that lies nine times in ten.

    Raises:
        SettingsError: the name does not say which kind of picture it should be.
    """
    save(path, lambda: _picture(panels), CHART)


def _picture(panels: Sequence[Panel]) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.2 * len(panels), 3.9), layout="constrained")
    for panel, axes in zip(panels, figure.subplots(1, len(panels), squeeze=False)[0], strict=True):
        _draw_panel(axes, panel)
    return figure


def _draw_panel(axes: Axes, panel: Panel) -> None:
    from matplotlib.ticker import FixedLocator, LogLocator, NullLocator, StrMethodFormatter

    axes.set_title(panel.title)
    axes.set_xscale("log")
    if panel.log:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_minor_locator(NullLocator())
    sizes = list(panel.sizes)
    if panel.fit:
        _draw_law(axes, panel, panel.fit)
        sizes.append(2 * panel.fit.largest)
    noise = panel.fit.noise if panel.fit else 0.0
    scores = np.asarray(panel.scores)
    ends = np.abs([panel.shown(scores + step * noise) for step in (-1, 1)] - panel.shown(scores))
    axes.errorbar(panel.sizes, panel.shown(scores), ends, fmt="o", color=_POINT, label="measured")
    axes.xaxis.set_major_locator(FixedLocator(sizes))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,g}"))
    axes.tick_params(axis="x", labelrotation=30)
    axes.set_xlabel("training pairs")
    axes.legend()
    if not panel.log:
        axes.set_ylim(bottom=max(0.0, axes.get_ylim()[0]))


def _draw_law(axes: Axes, panel: Panel, fit: Extrapolation) -> None:
    """Solid among the points, dashed beyond them; where twice the data would be, a ring."""
    sizes = np.geomspace(min(panel.sizes) / 1.2, _FARTHEST * fit.largest, 100)
    low, high = np.percentile(fit.refits.at(sizes), _INNER, axis=0)
    axes.fill_between(
        sizes, panel.shown(low), panel.shown(high), color=_LAW, alpha=0.15, lw=0, label="9 in 10"
    )
    law = panel.shown(fit.law.at(sizes)[0])
    known = sizes <= fit.largest
    axes.plot(sizes[known], law[known], color=_LAW, lw=1.5, label="power law")
    axes.plot(sizes[~known], law[~known], color=_LAW, lw=1.5, ls="--")
    twice = 2 * fit.largest
    at_twice = panel.shown(fit.law.at(twice)[0])
    axes.plot(twice, at_twice, "o", mfc="white", mec=_LAW, ms=7, label="twice the data")
