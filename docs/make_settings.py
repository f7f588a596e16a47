"""Writes docs/settings.md from the declarations in nmt/config.py.

python docs/make_settings.py
"""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
INTRODUCTION = """# Settings

Every setting, as `nmt/config.py` declares it (`python docs/make_settings.py` writes this page).
Give one with `--set section.key=value`, several in a TOML file with `--config FILE.toml`:

```toml
[model]
hidden = 256
attention = "additive"
```

`nmt translate`, `nmt evaluate` and `nmt score` take those of `translate` too, in place of what the
run has: `--set translate.word_reward=0.1`. `nmt tune` chooses some of them.

Where nothing is given, `data.vocab_size`, `train.precision`, `train.max_epochs`,
`train.patience`, `train.batch_tokens`, `train.dropout_start`, `train.weight_decay`,
`train.concatenated`, `train.validate_every`, `train.save_every` and `train.warmup_steps` follow
from the corpus, the budget and the device; the first lines of a training say how, and why. For a
language model (`nmt train --task lm`, which is `data.task = "lm"`) so do `model.attention`,
`model.tied`, `train.best_by` and `train.label_smoothing`, but not `train.concatenated`, and what is
about a source is refused.
The others have the defaults below.
"""
_SECTION = re.compile(r"^class (Data|Model|Train|Translate)Settings:")
_FIELD = re.compile(r"^    (\w+): (.+) = (.+?)  # (.+)$")
_HEADER = "| key | default | meaning |\n| --- | --- | --- |"
_TYPE = re.compile(r"Literal\[(.+)\]")


def page() -> str:
    """The whole page."""
    lines, section = [INTRODUCTION], ""
    for line in (ROOT / "nmt" / "config.py").read_text(encoding="utf-8").splitlines():
        if match := _SECTION.match(line):
            section = match[1].lower()
            lines.append(f"\n## {section}\n\n{_HEADER}")
        elif section and (match := _FIELD.match(line)):
            name, kind, default, meaning = match.groups()
            lines.append(
                f"| `{section}.{name}` | `{_plain(default)}` | {_meaning(kind, meaning)} |"
            )
        elif line.startswith("class "):
            section = ""
    return "\n".join(lines).rstrip() + "\n"


def _plain(default: str) -> str:
    literal = default.strip('"').replace("_", "")
    try:
        return str(float(literal) if "e" in literal or "." in literal else int(literal))
    except ValueError:
        return default.strip('"').lower()


def _meaning(kind: str, meaning: str) -> str:
    choices = _TYPE.search(kind)
    among = f"; one of {choices[1].replace(chr(34), '`')}" if choices else ""
    return meaning.replace("|", "\\|") + among


if __name__ == "__main__":
    (ROOT / "docs" / "settings.md").write_text(page(), encoding="utf-8", newline="\n")
