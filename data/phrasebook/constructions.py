"""The sentences of the phrasebook: one function for each construction.

Every construction draws its material from the sampler and lays it out in both languages at
once; `CONSTRUCTIONS` names them all, with the share of the corpus each should have.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from compound import (
    afterwards,
    although,
    because,
    because_possible,
    beforehand,
    but,
    if_case,
    meanwhile,
    therefore,
    when_once,
    whenever,
)
from embedded import (
    indirect_question,
    intention,
    judgement,
    omission,
    purpose,
    reported,
    reported_with_reason,
    whether,
)
from lexicon import Pair
from numbers_and_times import (
    age,
    date,
    duration,
    possessions,
    price,
    schedule,
    time_of_day,
    weather,
)
from relatives import (
    antecedent,
    lost_thing,
    nested_relative,
    object_relative,
    passive,
    relative_on_object,
    relative_with_reason,
    subject_relative,
)
from sampler import Sampler
from set_phrases import set_phrase
from simple import (
    adverbial_question,
    command,
    fondness,
    object_question,
    plain_statement,
    result,
    result_question,
    topicalised,
    where_from_or_to,
    which_question,
    who_question,
    yes_no_question,
)
from states import (
    belonging,
    comparison,
    description,
    existence,
    liking,
    location,
    mood,
    mood_question,
    placement,
    profession,
    whereabouts,
)


@dataclass(frozen=True)
class Construction:
    """A kind of sentence: its name, its share of the corpus, and how one is made."""

    name: str
    share: float
    make: Callable[[Sampler], Pair]


CONSTRUCTIONS = (
    Construction("statement", 12, plain_statement),
    Construction("topicalised object", 2.5, topicalised),
    Construction("schon and noch nicht", 2.5, result),
    Construction("schon in a question", 1.5, result_question),
    Construction("gern", 2, fondness),
    Construction("yes-no question", 3.5, yes_no_question),
    Construction("wann, warum, wo", 3, adverbial_question),
    Construction("was, wen, wem", 2.5, object_question),
    Construction("welcher", 1.5, which_question),
    Construction("wer", 1, who_question),
    Construction("wohin", 1, where_from_or_to),
    Construction("command", 2.5, command),
    Construction("mood", 1.5, mood),
    Construction("mood question", 1, mood_question),
    Construction("description", 1.5, description),
    Construction("comparison", 2, comparison),
    Construction("profession", 1.5, profession),
    Construction("es gibt", 1.5, existence),
    Construction("wo ist", 0.7, whereabouts),
    Construction("location", 2, location),
    Construction("placement", 2, placement),
    Construction("gefallen and schmecken", 2, liking),
    Construction("gehören and passen", 1.5, belonging),
    Construction("price", 1.6, price),
    Construction("age", 1, age),
    Construction("duration", 0.8, duration),
    Construction("schedule", 1.2, schedule),
    Construction("clock", 0.5, time_of_day),
    Construction("date", 1, date),
    Construction("counting", 1.2, possessions),
    Construction("weather", 0.8, weather),
    Construction("weil and denn", 3.5, because),
    Construction("weil with an opportunity", 1.2, because_possible),
    Construction("obwohl", 2.8, although),
    Construction("deshalb", 1.5, therefore),
    Construction("aber", 2.5, but),
    Construction("während and und", 3, meanwhile),
    Construction("wenn", 2.2, whenever),
    Construction("falls", 1.2, if_case),
    Construction("als", 1.8, when_once),
    Construction("nachdem", 1.8, afterwards),
    Construction("bevor", 1.2, beforehand),
    Construction("dass", 4, reported),
    Construction("dass and weil", 4, reported_with_reason),
    Construction("relative clause and weil or obwohl", 4, relative_with_reason),
    Construction("ob", 1.5, whether),
    Construction("indirect question", 1.5, indirect_question),
    Construction("zu with a verb", 1.8, intention),
    Construction("zu with an adjective", 1, judgement),
    Construction("um zu", 2, purpose),
    Construction("ohne zu", 1, omission),
    Construction("relative clause on the subject", 4.5, subject_relative),
    Construction("object relative clause", 4.5, object_relative),
    Construction("relative clause on the object", 4, relative_on_object),
    Construction("relative clause in a subordinate clause", 3.5, nested_relative),
    Construction("pronoun for a thing", 2, antecedent),
    Construction("lost and found", 1, lost_thing),
    Construction("passive", 2, passive),
    Construction("set phrase", 2.5, set_phrase),
)
