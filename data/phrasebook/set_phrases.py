"""The phrases a phrasebook opens with, with a name, a town or a price to fill in."""

from __future__ import annotations

import english
import german
from german import Case
from lexicon import Pair
from nominals import (
    Bare,
    NounPhrase,
)
from sampler import Sampler
from sentences import sentence

_SLOTTED = (
    Pair("guten Morgen, {title}", "good morning, {title}"),
    Pair("guten Tag, {title}", "good afternoon, {title}"),
    Pair("guten Abend, {title}", "good evening, {title}"),
    Pair("gute Nacht, {name}", "good night, {name}"),
    Pair("auf Wiedersehen, {title}", "goodbye, {title}"),
    Pair("hallo, {name}", "hello, {name}"),
    Pair("vielen Dank, {title}", "thank you very much, {title}"),
    Pair("herzlichen Glückwunsch, {name}", "congratulations, {name}"),
    Pair("bis {future}, {name}", "see you {future}, {name}"),
)
_SLOTTED_STATEMENTS = (
    Pair("ich heiße {name} und komme aus {city}", "my name is {name} and I come from {city}"),
    Pair("einmal nach {city}, bitte", "one ticket to {city}, please"),
    Pair("ich nehme {drink}, bitte", "I will have {drink}, please"),
    Pair("wir treffen uns um {clock}", "we will meet at {clock}"),
    Pair("das macht {number} Euro", "that comes to {number} euros"),
    Pair("ich komme aus {city}", "I come from {city}"),
    Pair("das ist meine Freundin {woman}", "this is my friend {woman}"),
    Pair("{title} ist leider nicht zu Hause", "unfortunately {title} is not at home"),
)
_SLOTTED_QUESTIONS = (
    Pair("wie geht es Ihnen, {title}", "how are you, {title}"),
    Pair("wie geht es dir, {name}", "how are you, {name}"),
    Pair("wie weit ist es nach {city}", "how far is it to {city}"),
    Pair("wann fährt der nächste Zug nach {city}", "when does the next train to {city} leave"),
    Pair("kommen Sie aus {city}, {title}", "do you come from {city}, {title}"),
    Pair("sprechen Sie Deutsch, {title}", "do you speak German, {title}"),
    Pair("haben Sie heute {food}", "do you have {food} today"),
)


def set_phrase(sampler: Sampler) -> Pair:
    """Guten Morgen, Frau Keller!"""
    frames, mark = sampler.choice(
        ((_SLOTTED, "!"), (_SLOTTED_STATEMENTS, "."), (_SLOTTED_QUESTIONS, "?"))
    )
    frame = sampler.choice(frames)
    fillers = _fillers(sampler)
    return sentence(
        frame.german.format(**{slot: pair.german for slot, pair in fillers.items()}),
        frame.english.format(**{slot: pair.english for slot, pair in fillers.items()}),
        mark,
    )


def _fillers(sampler: Sampler) -> dict[str, Pair]:
    lexicon = sampler.lexicon
    name = sampler.choice(lexicon.women + lexicon.men)
    woman = sampler.choice(lexicon.women)
    title = sampler.until(sampler.name, lambda drawn: drawn.title)
    number = sampler.random.randrange(2, 100)
    days = [p for p in lexicon.times["future"] if p.german in _PARTING]
    return {
        "name": Pair(name, name),
        "woman": Pair(woman, woman),
        "title": Pair(title.german(Case.NOMINATIVE), title.english()),
        "city": sampler.choice(lexicon.cities),
        "drink": _served(sampler, "drink"),
        "food": _served(sampler, "foodstuff"),
        "clock": sampler.clock(),
        "number": Pair(german.number(number), english.number(number)),
        "future": sampler.choice(days),
    }


_PARTING = ("morgen", "übermorgen", "nächste Woche", "heute Abend", "morgen Abend")


def _served(sampler: Sampler, kind: str) -> Pair:
    served = sampler.described(NounPhrase(sampler.noun(kind), Bare()), 0.4)
    return Pair(served.german(Case.ACCUSATIVE), served.english())
