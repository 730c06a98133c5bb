"""Say by a person's own words whom they are to us, and whether they speak for somebody else. Looks nobody up.

A claim opens no door: it chooses who answers. Whoever speaks for another, holds an office, writes for the press or
is a child goes to a human, and is told nothing meanwhile (policy, l. 209; the Polish PKE, art. 386: who writes to whom
is secret).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum

from bot.domain.folding import fold

LONGEST = 1000  #: characters looked at


class Audience(StrEnum):
    """Who a person is to us; the values are those of a case's `audience`."""

    RECIPIENT = "recipient"  #: got a client's message, or is its end user: the client answers
    DIRECT_CLIENT = "direct_client"  #: has an account with the provider
    VISITOR = "visitor"  #: of the provider's website, cookies, newsletter
    UNKNOWN = "unknown"


class Speaker(StrEnum):
    """Who writes, if it is not simply the person whom it is about."""

    AGENT = "agent"
    PARENT = "parent"
    MINOR = "minor"
    PRESS = "press"
    AUTHORITY = "authority"


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile(r"\b(?:" + "|".join(patterns) + ")")


# All patterns are held against folded text: no case, accents, marks or apostrophes; й is и, ї is і.

# --- whom they are to us -----------------------------------------------------------------------------

_AS_CLIENT = _any(
    # Polish
    r"(?:jestem|jestesmy|bylem|bylam|bylismy|jako) (?:\w+ )?(?:wasz\w*|panstwa|bezposredni\w*) (?:\w+ )?klient",
    r"(?:mam|mamy|mialem|mialam|mielismy|zalozylem|zalozylam) (?:\w+ )?(?:u was|u panstwa) (?:\w+ )?konto",
    r"(?:mam|mamy|mialem|mialam|mielismy|zalozylem|zalozylam) (?:\w+ )?konto (?:u was|u panstwa)",
    r"umow\w* (?:\w+ )?z (?:wami|panstwem)",
    r"(?:panel\w*|konto|konta|koncie) klienta",
    # English
    r"(?:im|i am|we are|i was|we were|as) (?:\w+ )?your (?:\w+ )?(?:client|customer)",
    r"(?:i|we) (?:have|had|hold|opened) (?:an? )?(?:\w+ )?account with you",
    r"(?:my|our) (?:contract|agreement|subscription) with you",
    # German
    r"(?:ich bin|wir sind|ich war|wir waren|als) (?:\w+ )?(?:ihr|ihre|euer|eure) (?:\w+ )?kund",
    r"(?:ich habe|wir haben|ich hatte|wir hatten) (?:\w+ )?(?:bei ihnen|bei euch) (?:\w+ )?konto",
    r"(?:mein|unser)\w* vertrag mit (?:ihnen|euch)",
    # Ukrainian
    r"(?:я|ми) (?:\w+ )?ваш\w* (?:\w+ )?клієнт",
    r"(?:маю|маємо|мав|мала|мали) (?:\w+ )?(?:у вас )?(?:акаунт|облікови\w*|кабінет)",
    r"договір (?:\w+ )?з вами",
)
_OF_THE_PROVIDER = {
    # what only somebody with an account says, once the provider's name stands beside it
    Audience.DIRECT_CLIENT: _any(
        r"klient\w*", r"kont[oaeu]\w*", r"umow\w*", r"faktur\w*", r"panel\w*", r"login\w*",
        r"client\w*", r"customer\w*", r"account\w*", r"contract\w*", r"invoice\w*",
        r"kund\w*", r"vertrag\w*", r"rechnung\w*",
        r"клієнт\w*", r"акаунт\w*", r"договір\w*", r"договор\w*", r"рахун\w*",
    ),
}  # fmt: skip
_NEWSLETTER = _any(r"newsletter\w*", r"biuletyn\w*", r"розсилк\w* новин")
_SITE = _any(
    r"cookie\w*", r"ciaste\w*", r"kukis\w*", r"google analytics",
    r"(?:wasz\w*|panstwa) (?:\w+ )?(?:stron\w*|witryn\w*)", r"(?:stron\w*|witryn\w*) internetow\w*",
    r"your (?:\w+ )?(?:web ?)?site", r"website\w*", r"(?:ihr\w*|eur\w*) (?:\w+ )?(?:web ?)?seite", r"webseite\w*",
    r"кукі\w*", r"веб ?саит\w*", r"ваш\w* саит\w*",
)  # fmt: skip
_HELD_HERE = _any(
    r"dan(?:e|ych|ymi) o ruchu", r"(?:tej|ta|te|nasz\w*) rozmow\w*", r"(?:tego|ten) (?:czat\w*|chat\w*|bot\w*)",
    r"traffic data", r"this (?:chat|conversation|bot)", r"our (?:chat|conversation)",
    r"verkehrsdaten", r"diese\w* (?:chat\w*|gesprach\w*|unterhaltung\w*|bot\w*)",
    r"дан\w* (?:про )?трафік\w*", r"(?:цього|цеи|ця|ціє\w*) (?:чат\w*|розмов\w*|бот\w*)",
)  # fmt: skip


def names(text: str, brand: str) -> bool:
    """Does a text name the provider?"""
    return f" {fold(brand)}" in f" {fold(text[:LONGEST])}"


def is_about_what_is_held_here(text: str) -> bool:
    """Is it about what the provider holds on its own account: traffic data, this conversation?"""
    return _HELD_HERE.search(fold(text[:LONGEST])) is not None


def is_about_the_newsletter(text: str) -> bool:
    """Is it about what the provider itself sends out, not only about its site?"""
    return _NEWSLETTER.search(fold(text[:LONGEST])) is not None


def claimed(text: str, brand: str) -> Audience | None:
    """Whom the person says they are to us; None if they say nothing of it, or two things at once.

    "Your client", "your site" may mean the company whose message they answer: `names` tells whether it cannot.
    """
    folded = fold(text[:LONGEST])
    by_name = names(text, brand) and _OF_THE_PROVIDER[Audience.DIRECT_CLIENT].search(folded)
    is_client = bool(by_name or _AS_CLIENT.search(folded))
    is_visitor = is_about_the_newsletter(text) or _SITE.search(folded) is not None
    if is_client == is_visitor:
        return None
    return Audience.DIRECT_CLIENT if is_client else Audience.VISITOR


# --- for whom they speak ------------------------------------------------------------------------------

_CHILD_PL = r"(?:dziec\w*|cork\w*|corec\w*|coreczk\w*|syn|syna|synowi|synem|synk\w*)"
_CHILD_EN = r"(?:son|sons|daughter|daughters|child|childs|children|childrens|kid|kids)"
_CHILD_DE = r"(?:kind|kindes|kinder|kinds|sohn|sohnes|sohns|tochter)"
_CHILD_UK = r"(?:дочк\w*|доньк\w*|донечк\w*|син|сина|синові|дитин\w*)"
_KIN_EN = (
    r"(?:mother|father|mum|mom|dad|wife|husband|partner|brother|sister|aunt|uncle|gran\w*|friend|neighbou?r)"
)

_SPEAKERS: Mapping[Speaker, re.Pattern[str]] = {
    Speaker.AUTHORITY: _any(
        r"(?:jestem|pisze|dzwonie|kontaktuje sie) (?:\w+ )?(?:z )?(?:policj\w*|prokurator\w*|prokuratur\w*)",
        r"(?:jestem|pisze|jako) (?:\w+ )?funkcjonariusz\w*",
        r"(?:tu|z tej strony) (?:\w+ )?(?:policja|prokuratura|prokurator|komisariat|komenda)\b",
        r"(?:jestem|tu) (?:\w+ )?(?:aspirant|komisarz|podkomisarz|nadkomisarz|sierzant)\w*",
        r"komend[aey] (?:miejsk|powiatow|wojewodzk|stoleczn|rejonow)\w*",
        r"prokuratur[aey] (?:rejonow|okregow|krajow)\w*",
        r"w zwiazku z (?:prowadzonym|toczacym sie) (?:sledztwem|dochodzeniem)",
        r"postanowieni\w+ prokurator\w*",
        r"(?:im|i am) (?:an? |with the |from the )?(?:\w+ )?(?:police|detective|prosecutor|constable)\b",
        r"this is (?:officer|detective|sergeant|inspector|constable) \w+",
        r"(?:law enforcement|police) (?:request|enquiry|inquiry)",
        r"ich bin (?:von der |bei der )?(?:\w+ )?(?:polizei\b|polizist\w*|kriminalbeamt\w*|staatsanw\w*)",
        r"hier (?:ist |schreibt |spricht )?die (?:\w+ )?(?:polizei|kripo|kriminalpolizei|staatsanwaltschaft)\b",
        r"(?:laufende\w*|unsere\w*) ermittlungsverfahren",
        r"я (?:\w+ )?(?:з )?(?:поліці\w*|слідчи\w*|слідча|прокурор\w*|прокуратур\w*)",
        r"(?:це|пише|вас турбує) (?:\w+ )?(?:поліція|прокуратура)\b",
        r"кримінальн\w+ провадженн\w*",
    ),
    Speaker.PRESS: _any(
        r"(?:jestem|jako) (?:\w+ )?(?:dziennikar\w*|reporter\w*)",
        r"dziennikar\w+ (?:z|portalu|gazety|tygodnika|radia|telewizji)\b",
        r"(?:pisze|dzwonie|kontaktuje sie|jestem) z (?:\w+ )?redakcji",
        r"reprezentuje (?:\w+ )?redakcj\w*",
        r"(?:przygotowuj\w+|pisz\w+) (?:\w+ )?(?:artykul|material prasowy|reportaz)\w*",
        r"(?:im|i am|as) an? (?:\w+ )?(?:journalist|reporter)\b",
        r"(?:journalist|reporter) (?:here|from|with|for|at)\b",
        r"press (?:enquiry|inquiry|request)",
        r"(?:writing|preparing|working on) (?:an?|the|my) (?:\w+ )?(?:article|news story|report) (?:about|on)",
        r"(?:ich bin|als) (?:\w+ )?(?:journalist\w*|reporter\w*|redakteur\w*)",
        r"presseanfrage",
        r"я (?:\w+ )?(?:журналіст\w*|репортер\w*)",
        r"(?:пишу|готую) (?:\w+ )?(?:статтю|матеріал) (?:для|про)",
    ),
    Speaker.PARENT: _any(
        rf"w imieniu (?:\w+ )?(?:maloletni\w*|nieletni\w*|{_CHILD_PL})",
        rf"(?:numer\w*|telefon\w*|dan\w+|sms\w*|wiadomosc\w*|imie|imieniem|profil\w*) (?:od |do |dla |na )?"
        rf"(?:moj\w+|nasz\w+) (?:\w+ )?{_CHILD_PL}",
        rf"(?:do|na) (?:telefon |numer )?(?:moj\w+|nasz\w+) (?:\w+ )?{_CHILD_PL}",
        rf"(?:moj\w*|nasz\w*) (?:\w+ ){{0,2}}{_CHILD_PL} (?:\w+ ){{0,2}}(?:dosta\w+|otrzym\w+)",
        r"jestem (?:jego|jej|ich) (?:matk\w*|mam\w*|ojc\w*|tat\w*|rodzic\w*|opiekun\w*)",
        r"jako (?:rodzic|matka|ojciec|opiekun|opiekunka)\b",
        rf"on behalf of (?:my|our) (?:\w+ )?{_CHILD_EN}\b",
        rf"(?:my|our) (?:\w+ )?{_CHILD_EN} (?:is|just|only|has|keeps|has been)? ?(?:\d+ )?(?:and )?(?:got|gets|getting|"
        rf"received|receiving|receives|data|number|phone|name|surname|records|details)",
        rf"(?:to|about|text(?:ed|ing)?|messag(?:ed|ing)) (?:my|our) (?:\w+ )?{_CHILD_EN}\b",
        r"(?:im|i am|as) (?:his|her|their|a|the) (?:mother|father|mum|mom|dad|parent|guardian)\b",
        rf"(?:nummer|handy|daten|name|sms|nachricht\w*) (?:an |von |fur )?(?:mein\w*|unser\w*) (?:\w+ )?{_CHILD_DE}\b",
        rf"(?:mein\w*|unser\w*) (?:\w+ ){{0,2}}{_CHILD_DE} (?:\w+ ){{0,2}}(?:bekomm\w*|erhalt\w*|erhielt)",
        r"ich bin (?:die mutter|der vater|seine mutter|ihre mutter|sein vater|ihr vater|erziehungsberechtigt\w*)",
        rf"(?:номер\w*|телефон\w*|дан\w+|смс|повідомлен\w*|імя) (?:до |для |на )?мо(?:єі|го|єму|єго) "
        rf"(?:\w+ )?{_CHILD_UK}",
        rf"(?:моя|міи|моіи|моєму|мені) (?:\w+ )?{_CHILD_UK} (?:\w+ )?(?:отрим\w*|приишл\w*|надісл\w*|прислал\w*)",
        r"я (?:и?ого|іі) (?:мама|мати|тато|батько)",
        r"я (?:мама|мати|тато|батько) (?:\w+ )?дитин\w*",
    ),
    Speaker.AGENT: _any(
        r"(?:w|we) imieniu (?!kogo|jaki|ktore|wlasn|swo[ij]|moim\b|spolk|firm|wspoln|fundacj|stowarz|przedsieb)",
        r"(?:jako|jestem|ustanowion\w+|jego|jej) pelnomocni\w*",
        r"pelnomocnictw\w*",
        r"(?:mocodawc|mandant)\w*",
        r"reprezentuje (?:pana|pania|panstwa|klient\w*|moj\w+|interes\w*)",
        rf"on behalf of (?:my|our|a|mr|mrs|ms|the) (?:\w+ )?(?:client|principal|{_KIN_EN})\b",
        r"power of attorney",
        r"(?:i|we) represent (?:an?|my|our|mr|mrs|ms|the) (?!company\b|firm\b)",
        r"im (?:namen|auftrag) (?:mein\w*|unser\w*|von|des|der) (?!wem|welche|firma|gesellschaft|unternehmen)",
        r"(?:bevollmachtig\w*|vollmacht)\b",
        r"ich vertrete (?:herrn|frau|mein\w*|die interessen|den mandant\w*)",
        r"від імені (?!кого|яко|чиє|себе|свого|власн|компані|фірм)",
        r"за довіреніст\w*",
        r"представляю (?:інтерес\w*|пана|пані|мого|мою)",
    ),
}  # fmt: skip

_YOUNGEST, _OF_AGE = 5, 18
_NUMERALS = {
    word: age
    for words in (
        "osiem dziewiec dziesiec jedenascie dwanascie trzynascie czternascie pietnascie szesnascie siedemnascie",
        "eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen",
    )
    for age, word in enumerate(words.split(), 8)
}
_AGE = re.compile(
    r"\bmam (?:dopiero |tylko )?(?P<pl>\d{1,2}|[a-z]+) lat\b(?! doswiad| staz| w | umow| kont| numer| abonam| praktyk)"
    r"|\b(?:im|i am) (?:only |just )?(?P<en>\d{1,2}|[a-z]+)"
    r"(?=$| years? old| yo\b| and\b| but\b| so\b| someone\b| my\b| who\b| please\b)"
    r"|\bich bin (?:erst |nur )?(?P<de>\d{1,2})(?=$| jahre? alt| und\b| aber\b)"
    r"|\bмені (?:лише |тільки |ще )?(?P<uk>\d{1,2})(?=$| рок\w*| і\b| але\b)"
)
_YOUNG = _any(
    r"jestem (?:\w+ )?(?:dzieckiem|nieletni\w*|niepelnoletni\w*|maloletni\w*)",
    r"(?:im|i am) (?:still |only |just )?(?:a (?:kid|child|minor|schoolkid)|underage)\b",
    r"ich bin (?:noch )?(?:minderjahrig|ein kind)\b",
    r"я (?:ще )?(?:дитина|неповнолітн\w*)\b",
)


def speaker(text: str) -> Speaker | None:
    """Who writes, if not simply the person whom it is about; None if nothing says otherwise."""
    folded = fold(text[:LONGEST])
    if _is_minor(folded):
        return Speaker.MINOR
    return next((who for who, pattern in _SPEAKERS.items() if pattern.search(folded)), None)


def _is_minor(folded: str) -> bool:
    for match in _AGE.finditer(folded):
        said = next(group for group in match.groups() if group)
        age = int(said) if said.isdecimal() else _NUMERALS.get(said, _OF_AGE)
        if _YOUNGEST <= age < _OF_AGE:
            return True
    return _YOUNG.search(folded) is not None


_DATA = ("who_sent", "number_source", "rights_")
_UNCLEAR = ("not_understood", "did_you_mean", "not_read", "opt_out_unsure")
_TAKEN_OVER: Mapping[Speaker, tuple[str, ...]] = {
    Speaker.AGENT: (*_DATA, *_UNCLEAR, "human"),
    Speaker.PARENT: (*_DATA, "human"),  # ordinary talk is full of children
    Speaker.MINOR: (*_DATA, *_UNCLEAR, "human"),
    Speaker.PRESS: (
        "who_sent",
        "number_source",
        "rights_access",
        *_UNCLEAR,
        "human",
    ),  # a right may be their own
    Speaker.AUTHORITY: ("who_sent", "number_source", "rights_access", *_UNCLEAR, "human"),
}


def is_for_a_human(who: Speaker, intent: str) -> bool:
    """Does a human take over a wish of somebody who speaks so? Never an opt-out, a scam report or small talk."""
    return intent.startswith(_TAKEN_OVER[who])
