"""Every setting of a run, declared once, and the way a value reaches it.

A setting gets its value from the last of these layers that names it:

    the default below < what suits the corpus and device < --preset < --config FILE.toml < --set

The sections of a run's `config.toml` are these four dataclasses, after one on who wrote it. Checks
that span two settings live in `_check`, so that a clash is refused in one place, with both keys
named.
"""

from __future__ import annotations

import dataclasses
import difflib
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from nmt.errors import SettingsError

Natural = Annotated[int, Meta(ge=0, le=1 << 40)]
Positive = Annotated[int, Meta(ge=1, le=1 << 40)]
WIDEST = 1_000  # hypotheses of a sentence that are searched or drawn at once
Width = Annotated[int, Meta(ge=1, le=WIDEST)]
Length = Annotated[int, Meta(ge=0, le=1_000_000)]
Share = Annotated[float, Meta(ge=0, lt=1)]
Part = Annotated[float, Meta(ge=0, le=1)]
NonNegative = Annotated[float, Meta(ge=0, le=1e12)]
Above = Annotated[float, Meta(gt=0, le=1e12)]
Extra = Annotated[int, Meta(ge=1, le=1_000_000)]
Ratio = Annotated[float, Meta(ge=0, le=1_000)]
RatioAbove = Annotated[float, Meta(gt=0, le=1_000)]
Vocabulary = Annotated[int, Meta(ge=16, le=65_536)]
Strength = Annotated[float, Meta(ge=0, le=10)]
Weight = Annotated[float, Meta(ge=-10, le=10)]
Factor = Annotated[float, Meta(ge=1, le=10)]
Initialisation = Literal["xavier", "uniform", "orthogonal"]
Schedule = Literal["constant", "inverse_sqrt", "cosine", "plateau"]

Layer = Mapping[str, Any]
"""Values by dotted key, e.g. {"model.hidden": 512}."""


@dataclass(frozen=True, kw_only=True)
class DataSettings:
    """How text becomes subword ids."""

    task: Literal["translation", "lm"] = "translation"  # what is learned; lm: a language model
    vocab_size: Vocabulary = 6_000  # subwords (of each side if not joint)
    joint_vocab: bool = True  # one subword vocabulary for both languages
    subwords: Literal["bpe", "unigram"] = "bpe"  # SentencePiece's model type
    subword_dropout: Share = 0.0  # BPE-dropout, or unigram sampling of this strength, in training
    normalization: Literal["nmt_nfkc", "nfkc", "identity"] = "nmt_nfkc"  # SentencePiece's rule
    max_length: Annotated[int, Meta(ge=8)] = 128  # subwords of a side; longer pairs are left out


@dataclass(frozen=True, kw_only=True)
class ModelSettings:
    """The network's shape and its dropouts."""

    embedding: Positive = 256  # size of a subword's vector
    hidden: Positive = 512  # decoder state; each of two encoder directions has half of it
    cell: Literal["lstm", "gru", "rnn"] = "lstm"  # in encoder and decoder
    encoder_layers: Positive = 1  # each as wide as the decoder's
    bidirectional: bool = True  # every encoder layer reads a sentence from both ends
    shared_directions: bool = False  # ... both with the same weights
    bridge: Literal["last", "mean", "max"] = "last"  # encoder outputs the decoder starts from
    decoder_layers: Positive = 2  # the first asks the attention, the others use its answer
    attention: Literal["none", "dot", "general", "additive"] = "dot"  # none: the model of 2014
    heads: Positive = 1  # more than one: multi-head scaled dot product
    coverage: bool = False  # additive attention sees what it has looked at (Tu et al. 2016)
    input_feeding: bool = False  # layer 1 reads what was read out a step before (Luong et al. 2015)
    connections: Literal["plain", "residual", "highway", "dense"] = "plain"  # between layers
    layer_norm: bool = False  # above each layer
    tied: Literal["none", "target", "all"] = "all"  # whose embeddings the output layer shares
    initialisation: Initialisation = "xavier"  # or uniform (±0.1), or orthogonal (recurrent ones)
    dropout: Share = 0.2  # on embeddings, between layers, before the output layer
    dropout_per: Literal["sequence", "step"] = "sequence"  # one mask for a sentence, or for a step
    word_dropout: Share = 0.1  # whole subwords of source and target history blanked out
    weight_dropout: Share = 0.0  # recurrent weights blanked out (DropConnect, Merity et al. 2018)


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """The loop: batches, optimizer, schedule, when to look and when to stop."""

    seed: Natural = 1  # another seed, another training
    batch_tokens: Positive = 2_000  # target subwords an update is made of
    accumulate: Positive = 1  # batches summed into one update
    concatenated: Share = 0.0  # chance that a pair gets others behind it in training
    optimizer: Literal["adam", "adamw"] = "adamw"  # with torch's betas
    learning_rate: Above = 5e-3  # the schedule's peak
    weight_decay: NonNegative = 0.0  # adamw's: every step shrinks all weights by rate · this
    schedule: Schedule = "cosine"  # constant, inverse_sqrt, cosine, or plateau (halved when stuck)
    warmup_steps: Natural = 300  # the rate rises linearly over these
    dropout_start: Part = 1.0  # dropouts grow from this part to the whole (Morerio et al. 2017)
    label_smoothing: Share = 0.1  # probability spread over the whole vocabulary
    clip_norm: NonNegative = 1.0  # largest global gradient norm; 0: no clipping
    ema: Share = 0.999  # decay of the averaged weights that are validated and kept; 0: none
    max_steps: Natural = 0  # 0: no limit
    max_epochs: Natural = 30  # 0: no limit
    budget: NonNegative = 0.0  # seconds of wall clock the schedule is fitted to; 0: none
    validate_every: Positive = 500  # steps between two validations
    save_every: Positive = 500  # steps between two checkpoints
    keep_last: Natural = 3  # weights of the last validations kept in RUN/weights, for averaging
    validate_lines: Natural = 1_000  # validation sentences translated for BLEU; 0: all
    best_by: Literal["bleu", "perplexity"] = "bleu"  # which score keeps a model and stops training
    patience: Natural = 10  # validations without a better score before stopping; 0: never
    precision: Literal["fp32", "bf16"] = "fp32"  # of the products; weights are always fp32


@dataclass(frozen=True, kw_only=True)
class TranslateSettings:
    """The search, unless a command's option says otherwise. All lengths are in subwords."""

    beam: Width = 5  # hypotheses kept alive for each sentence; 1: greedy
    length_norm: Literal["power", "gnmt"] = "power"  # of a length n: n, or (5 + n) / 6
    length_penalty: Strength = 1.0  # a hypothesis is ranked by log-probability / norm^this
    word_reward: Weight = 0.0  # ... plus this for each subword
    coverage_penalty: Weight = 0.0  # ... plus this times log of what attention gave each source one
    min_length: Length = 0  # shortest output, in subwords, as far as the longest allows
    min_ratio: Ratio = 0.0  # ... as a multiple of the source; the longer of the two holds
    max_length: Length = 0  # longest output, in subwords; 0: no such limit
    max_ratio: RatioAbove = 2.0  # ... as a multiple of the source; the shorter of the two holds
    max_extra: Extra = 20  # ... plus this, for short sources
    no_repeat_ngram: Natural = 0  # no run of so many subwords occurs twice; 0: any may
    repetition_penalty: Factor = 1.0  # log-probabilities of subwords that occurred are times this
    groups: Width = 1  # of beams that avoid each other's subwords (Vijayakumar et al. 2018)
    diversity: Strength = 0.5  # what a subword costs for each earlier group that chose it


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings of a run."""

    data: DataSettings = field(default_factory=DataSettings)
    model: ModelSettings = field(default_factory=ModelSettings)
    train: TrainSettings = field(default_factory=TrainSettings)
    translate: TranslateSettings = field(default_factory=TranslateSettings)


@dataclass(frozen=True)
class Choice:
    """A setting that nobody asked for, and why it has its value."""

    key: str
    value: Any
    why: str


PRESETS: dict[str, Layer] = {
    # Sutskever et al. 2014, Cho et al. 2014: the source squeezed into one vector.
    "seq2seq": {"model.attention": "none"},
    # Bahdanau et al. 2015: additive attention over a bidirectional encoder, one decoder layer.
    "bahdanau": {"model.attention": "additive", "model.decoder_layers": 1},
    # Luong et al. 2015: bilinear attention, input feeding.
    "luong": {"model.attention": "general", "model.input_feeding": True},
    # For a first look, in a minute or two.
    "tiny": {"model.embedding": 128, "model.hidden": 256, "model.decoder_layers": 1},
    # For a GPU and a large corpus: deeper encoder, several heads (after GNMT v2).
    "large": {
        "model.embedding": 512,
        "model.hidden": 1024,
        "model.encoder_layers": 3,
        "model.decoder_layers": 3,
        "model.heads": 8,
        "model.layer_norm": True,
        "train.learning_rate": 1e-3,
    },
}


# --- layers -------------------------------------------------------------------------------------


def settings_from(*layers: Layer) -> Settings:
    """Lay `layers` over the defaults, later ones above earlier ones.

    Raises:
        SettingsError: a key does not exist, a value has the wrong type, or two settings clash.
    """
    settings = read(*layers)
    _check(settings)
    return settings


def read(*layers: Layer) -> Settings:
    """The same without the checks that span two settings, for layers that more will cover.

    Raises:
        SettingsError: a key does not exist, or a value has the wrong type.
    """
    nested: dict[str, dict[str, Any]] = {}
    for layer in layers:
        for key, value in layer.items():
            section, name = _known(key)
            nested.setdefault(section, {})[name] = value
    try:
        return msgspec.convert(nested, Settings, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsError(_readable(str(error))) from None


def layer_from_file(path: Path) -> dict[str, Any]:
    """The settings in a TOML file, by dotted key."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(f"{path}: no such configuration file") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise SettingsError(f"{path}: not a readable TOML file: {error}") from None
    table.pop("nmt", None)  # who wrote it, in a run's config.toml
    layer: dict[str, Any] = {}
    for section, values in table.items():
        if not isinstance(values, dict):
            raise SettingsError(
                f"{path}: '{section}' stands outside a section",
                f"write it under one of {', '.join(f'[{s}]' for s in _sections())}",
            )
        layer |= {f"{section}.{name}": value for name, value in values.items()}
    try:
        read(layer)
    except SettingsError as error:
        raise SettingsError(f"{path}: {error.message}", error.advice) from None
    return layer


def layer_from_assignments(
    assignments: Sequence[str], section: str | None = None
) -> dict[str, Any]:
    """`section.key=value` strings, as `--set` takes them; a value is read as TOML, else as text.

    Args:
        section: the only one that may be set, where the model is already made.
    """
    layer = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals:
            raise SettingsError(f"--set {assignment}: no '='", "write --set section.key=value")
        layer[key.strip()] = _toml_value(text.strip())
    for key in layer if section else ():
        _refuse(
            _known(key)[0] != section,
            f"--set {key}: a trained model has it already; only [{section}] can be set here",
            f"nmt train --set {key}=... trains another model",
        )
    return layer


def layer_from_preset(name: str) -> Layer:
    """The preset's settings."""
    if name not in PRESETS:
        raise SettingsError(f"no preset is called '{name}'", f"there are {', '.join(PRESETS)}")
    return PRESETS[name]


def flat(settings: Settings) -> dict[str, Any]:
    """Every setting by dotted key, in the order they are declared."""
    return {
        f"{section}.{name}": value
        for section, values in dataclasses.asdict(settings).items()
        for name, value in values.items()
    }


def seconds_from(text: str) -> float:
    """A duration such as `90s`, `20m`, `1.5h` or `1h30m`, in seconds."""
    units = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
    total, number = 0.0, ""
    for character in text.strip().lower():
        if character in units and number.strip("."):
            total, number = total + float(number) * units[character], ""
        elif character.isdecimal() or (character == "." and "." not in number):
            number += character
        else:
            raise SettingsError(f"'{text}' is no duration", "write it like 90s, 20m or 1h30m")
    total += float(number) if number.strip(".") else 0.0
    if total <= 0:
        raise SettingsError(
            f"'{text}' is no duration above zero", "write it like 90s, 20m or 1h30m"
        )
    return total


def shape(settings: Settings) -> str:
    """Encoder, decoder and attention, in a line."""
    model = settings.model
    parts = [f"embeddings {model.embedding}"]
    if settings.data.task == "lm":
        parts.append(f"{model.cell} language model {model.decoder_layers}×{model.hidden}")
    else:
        parts += _encoder_and_attention(model)
    parts += [f"{model.connections} connections"] if model.connections != "plain" else []
    return ", ".join(parts)


def _encoder_and_attention(model: ModelSettings) -> list[str]:
    directions = f"2×{model.hidden // 2}" if model.bidirectional else f"{model.hidden}"
    parts = [
        f"{'bi' if model.bidirectional else 'uni'}directional {model.cell} encoder "
        f"{model.encoder_layers}×{directions}",
        f"{model.cell} decoder {model.decoder_layers}×{model.hidden}",
        f"attention {model.attention}",
    ]
    parts += [f"{model.heads} heads"] if model.heads > 1 else []
    parts += ["coverage"] if model.coverage else []
    return [*parts, *(["input feeding"] if model.input_feeding else [])]


# --- checks -------------------------------------------------------------------------------------


def _check(settings: Settings) -> None:
    """Refuse settings that cannot hold together."""
    data, model, train = settings.data, settings.model, settings.train
    if data.task == "lm":
        _check_language_model(settings)
    _check_translate(settings.translate, model)
    _refuse(
        model.tied == "all" and not data.joint_vocab,
        "model.tied = 'all' needs one vocabulary for both sides, and data.joint_vocab is false",
        "set model.tied to 'target' or 'none', or data.joint_vocab to true",
    )
    _refuse(
        model.heads > 1 and model.attention != "dot",
        f"model.heads = {model.heads} needs model.attention = 'dot', not '{model.attention}'",
        "set one of the two",
    )
    directions = 2 if model.bidirectional else 1
    _refuse(
        model.hidden % (directions * model.heads) != 0,
        f"model.hidden = {model.hidden} cannot be split over {directions} directions "
        f"(model.bidirectional) and model.heads = {model.heads}",
        f"use a multiple of {directions * model.heads}",
    )
    _refuse(
        model.shared_directions and not model.bidirectional,
        "model.shared_directions = true needs two directions, and model.bidirectional is false",
        "set one of the two",
    )
    _refuse(
        model.coverage and model.attention != "additive",
        f"model.coverage = true needs model.attention = 'additive', not '{model.attention}'",
        "set one of the two",
    )
    _refuse(
        model.input_feeding and model.attention == "none",
        "model.input_feeding = true feeds what attention found, and model.attention is 'none'",
        "set one of the two",
    )
    _refuse(
        model.connections != "plain" and model.encoder_layers == model.decoder_layers == 1,
        f"model.connections = '{model.connections}' stand between layers, and "
        "model.encoder_layers and model.decoder_layers are both 1",
        "set model.connections to 'plain', or have more layers",
    )
    _refuse(
        not (train.max_steps or train.max_epochs or train.budget or train.patience),
        "train.max_steps, train.max_epochs, train.budget and train.patience are all 0: "
        "the training would never end",
        "set one of them",
    )
    _refuse(
        train.weight_decay > 0 and train.optimizer != "adamw",
        f"train.weight_decay = {train.weight_decay} has no effect with "
        f"train.optimizer = '{train.optimizer}'",
        "set train.optimizer to 'adamw', or train.weight_decay to 0",
    )
    _refuse(
        train.schedule == "cosine" and not (train.max_steps or train.max_epochs or train.budget),
        "train.schedule = 'cosine' needs an end, and train.max_steps, train.max_epochs "
        "and train.budget are all 0",
        "set one of them, or another schedule",
    )


_OF_A_SOURCE = {  # settings that mean nothing without one, and what each is then
    "data.joint_vocab": True,
    "model.encoder_layers": ModelSettings.encoder_layers,
    "model.bidirectional": ModelSettings.bidirectional,
    "model.shared_directions": ModelSettings.shared_directions,
    "model.bridge": ModelSettings.bridge,
    "model.attention": "none",
    "model.heads": 1,
    "model.coverage": False,
    "model.input_feeding": False,
}


def _check_language_model(settings: Settings) -> None:
    values = flat(settings)
    for key, usual in _OF_A_SOURCE.items():
        value = str(values[key]).lower()
        _refuse(
            values[key] != usual,
            f"{key} = {value} is about a source, and with data.task = 'lm' there is none",
            f"leave {key} out",
        )
    _refuse(
        settings.model.tied == "all",
        "model.tied = 'all' ties the embeddings of a source, and with data.task = 'lm' there "
        "is none",
        "set model.tied to 'target' or 'none', or leave it out",
    )
    _refuse(
        settings.train.best_by == "bleu",
        "train.best_by = 'bleu' judges translations, and with data.task = 'lm' there are none",
        "leave train.best_by out",
    )


def _check_translate(translate: TranslateSettings, model: ModelSettings) -> None:
    _refuse(
        translate.beam % translate.groups != 0,
        f"translate.beam = {translate.beam} cannot be shared by "
        f"translate.groups = {translate.groups}",
        f"use a beam that is a multiple of {translate.groups}, or other groups",
    )
    _refuse(
        0 < translate.max_length < translate.min_length,
        f"translate.min_length = {translate.min_length} is more than "
        f"translate.max_length = {translate.max_length}",
        "change one of them",
    )
    _refuse(
        translate.min_ratio > translate.max_ratio,
        f"translate.min_ratio = {translate.min_ratio} is more than "
        f"translate.max_ratio = {translate.max_ratio}",
        "change one of them",
    )
    _refuse(
        translate.coverage_penalty != 0 and model.attention == "none",
        f"translate.coverage_penalty = {translate.coverage_penalty} needs attention, "
        "and model.attention = 'none'",
        "leave the penalty at 0",
    )


def _refuse(clash: bool, message: str, advice: str) -> None:
    if clash:
        raise SettingsError(message, advice)


def _sections() -> list[str]:
    return [section.name for section in dataclasses.fields(Settings)]


def keys() -> Iterator[str]:
    """Every dotted key there is."""
    yield from flat(Settings())


def _known(key: str) -> tuple[str, str]:
    everything = list(keys())
    if key in everything:
        section, _, name = key.partition(".")
        return section, name
    names = {known.partition(".")[2]: known for known in everything}
    near = difflib.get_close_matches(key, everything, 1, 0.5)
    near = near or [
        names[n] for n in difflib.get_close_matches(key.rpartition(".")[2], names, 1, 0.5)
    ]
    advice = f"did you mean {near[0]}?" if near else f"there are {', '.join(everything)}"
    raise SettingsError(f"there is no setting '{key}'", advice)


def _toml_value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _readable(message: str) -> str:
    """`Expected int, got str - at `$.train.patience`` → `train.patience: expected int, got str`."""
    what, _, where = message.rpartition(" - at ")
    return (
        f"{where.strip('`').removeprefix('$.')}: {what[:1].lower()}{what[1:]}" if what else message
    )
