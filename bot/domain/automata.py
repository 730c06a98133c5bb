"""Tell the replies of machines from those of people. Decides nothing about a STOP, which always counts.

An auto-reply that is answered answers again: Twilio cuts such a loop after 30 replies in 30 seconds (14107),
the house never begins one. Only openings are looked at, so that somebody who writes about such a reply is heard.
"""

from __future__ import annotations

import re

from bot.domain.folding import fold

_OPENINGS = (
    # Polish
    "to jest automatyczna odpowiedz",
    "wiadomosc automatyczna",
    "odpowiedz automatyczna",
    "automatyczna odpowiedz",
    "autoodpowiedz",
    "prowadze samochod",
    "jestem w trakcie jazdy",
    "nie moge teraz rozmawiac",
    "oddzwonie pozniej",
    "przebywam na urlopie",
    "jestem poza biurem",
    # English
    "this is an automated",
    "this is an automatic",
    "automatic reply",
    "auto reply",
    "autoreply",
    "out of office",
    "i am out of the office",
    "im out of the office",
    "im driving",
    "i am driving",
    "i am currently driving",
    "sorry i cant talk right now",
    "cant talk right now",
    # German
    "automatische antwort",
    "abwesenheitsnotiz",
    "ich fahre gerade",
    "ich bin nicht im buro",
    # Ukrainian
    "автоматична відповідь",
    "автовідповідь",
    "я за кермом",
)

_PATTERN = re.compile("(?:" + "|".join(re.escape(fold(opening)) for opening in _OPENINGS) + r")\b")


def is_automatic(text: str) -> bool:
    """Does a message begin as the replies that phones and mailboxes send by themselves?"""
    return _PATTERN.match(fold(text[:200])) is not None
