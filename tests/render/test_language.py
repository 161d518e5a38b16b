"""Sentences in two languages."""

from __future__ import annotations

import pytest

from keiko_perf.errors import UsageError
from keiko_perf.model import Message, Outcome, Severity, say
from keiko_perf.render import phrase
from keiko_perf.render.language import sentence, unbroken


def test_a_message_has_its_values_in_it_in_both_languages() -> None:
    few = say("only {seen:count} seen, {needed:count} are needed to tell", seen=1200, needed=2995)

    assert phrase(few) == "only 1,200 seen, 2,995 are needed to tell"
    assert phrase(few, "de") == "nur 1.200 gesehen, für eine Aussage sind 2.995 nötig"


def test_a_message_in_a_message_is_translated_too() -> None:
    both = say("{kpi} of {subject}", kpi=say("error rate"), subject="error rate")

    assert phrase(both, "de") == "Fehlerrate von error rate"


def test_what_comes_from_outside_is_never_translated_or_formatted() -> None:
    assert phrase("error rate {x:duration}", "de") == "error rate {x:duration}"


def test_a_sentence_that_the_catalogue_lacks_stays_english_with_german_numbers() -> None:
    strange = say("took {time:duration}, no translation", time=1.5)

    assert phrase(strange, "de") == "took 1,5 s, no translation"


def test_several_values_are_listed_and_braces_are_kept() -> None:
    listed = say("{{}} {columns}", columns=("agent_id", say("error rate")))

    assert phrase(listed) == "{} agent_id, error rate"


def test_a_language_that_is_not_known_is_refused() -> None:
    with pytest.raises(UsageError, match=r"there is no language 'fr'\. Take one of en, de\."):
        phrase("x", "fr")


def test_a_number_is_not_parted_from_its_unit_and_text_is_left_alone() -> None:
    text = say("{what} took {time:duration}", what="a 5 s sleep", time=0.0431)

    assert unbroken(text, "de") == "a 5 s sleep took 43,1\N{NO-BREAK SPACE}ms"
    assert phrase(text) == "a 5 s sleep took 43.1 ms"


def test_an_outcome_in_a_sentence_is_its_word() -> None:
    text = say("{severity}, {outcome}", severity=Severity.WARNING, outcome=Outcome.MISSED)

    assert phrase(text) == "warning, missed"
    assert phrase(text, "de") == "Warnung, verfehlt"


@pytest.mark.parametrize(
    ("text", "lang", "said"),
    [
        (say("no index would pay"), "en", "No index would pay"),
        (say("no index would pay"), "de", "Kein Index würde sich lohnen"),
        (say("{found} · {limit}", found=say("at least it"), limit="x"), "en", "At least it · x"),
        (say("p95 is {value:duration}", value=0.2), "en", "p95 is 200 ms"),  # a name
        (say("work_mem is too small"), "en", "work_mem is too small"),  # another
        (say("{step}: too slow", step="list_agents"), "en", "list_agents: too slow"),
        ("from outside", "en", "from outside"),
        (say(""), "en", ""),
    ],
)
def test_a_sentence_by_itself_begins_with_a_capital_unless_that_is_a_name(
    text: Message | str, lang: str, said: str
) -> None:
    assert sentence(text, lang) == said
