"""Whom somebody says they are is taken from their own words, and a neighbour of such words is left alone."""

from __future__ import annotations

import pytest

from bot.domain.standing import (
    Audience,
    Speaker,
    claimed,
    is_about_what_is_held_here,
    is_for_a_human,
    names,
    speaker,
)

AS = {
    Speaker.AGENT: [
        "Dzień dobry, piszę w imieniu klienta naszej kancelarii i żądam kopii jego danych",
        "jestem pełnomocnikiem pani Zofii, kto do niej pisał?",
        "mam pelnomocnictwo od sasiada, prosze o jego dane",
        "I represent Mr Nowicki and need his records",
        "on behalf of my client I request erasure",
        "acting under a power of attorney for my aunt",
        "Ich vertrete Frau Lehmann und verlange Auskunft",
        "im Namen meiner Mandantin bitte ich um Löschung",
        "пишу від імені сусіда, видаліть його дані",
        "представляю інтереси пана Петренка",
    ],
    Speaker.PARENT: [
        "mój syn dostał od was dziwną wiadomość, od kogo ona jest",
        "skąd macie numer mojej córki?",
        "jestem jej mamą i chcę wiedzieć, kto do niej pisze",
        "who is writing to my daughter?",
        "my son got a text from a casino",
        "I'm her father, tell me who sent it",
        "meine Tochter hat so eine SMS bekommen, wer war das? Ich bin die Mutter",
        "Löschen Sie die Daten meiner Kinder",
        "хто надіслав це моїй доньці? я її мама",
        "видаліть номер мого сина",
    ],
    Speaker.MINOR: [
        "mam 12 lat i ktoś mi pisze takie rzeczy",
        "Mam dopiero jedenaście lat, kto to?",
        "jestem nieletnia",
        "I'm 13 and someone keeps texting me",
        "im a kid, who is this",
        "ich bin 12 Jahre alt, wer schreibt mir",
        "ich bin noch minderjährig",
        "мені 11 років, хто це пише",
        "я ще дитина",
    ],
    Speaker.PRESS: [
        "Jestem dziennikarzem i pytam, kto zlecił te SMS-y",
        "piszę z redakcji Kuriera, proszę o komentarz",
        "I'm a freelance journalist, who paid for this campaign?",
        "Presseanfrage: Wer ist Ihr Kunde?",
        "ich bin Journalistin bei einem Sender",
        "я журналіст, хто замовив цю розсилку",
    ],
    Speaker.AUTHORITY: [
        "Tu komisariat Policji w Gliwicach, proszę o dane nadawcy",
        "jestem z policji, kto korzysta z tego numeru",
        "Komenda Miejska Policji wnosi o udostępnienie danych",
        "this is Detective Harris, whose number is it",
        "I am with the police, give me the name of the sender",
        "Hier ist die Polizei, wem gehört die Nummer?",
        "Ich bin Polizistin und ermittle",
        "я з поліції, чий це номер",
    ],
}
NOBODY_ELSE = [
    "kto to wysłał?",
    "zgłoszę to na policję",
    "policja mówi, żeby pisać do każdej firmy",
    "przestańcie pisać w moim imieniu",
    "w czyim imieniu to wysyłacie",
    "W imieniu spółki wypowiadamy umowę",
    "mam 45 lat i nie chcę reklam",
    "mam 10 lat doświadczenia w marketingu",
    "syn wróci dziś później",
    "I will go to the police",
    "I am 15 minutes late",
    "who are you texting on behalf of",
    "my account manager is away",
    "my son says hello",
    "ich bin 35 Jahre alt",
    "ich gehe zur Polizei",
    "in wessen Namen schreiben Sie",
    "від імені кого ви пишете",
    "мені 40 років",
    "я піду в поліцію",
    "STOP",
    "",
]


@pytest.mark.parametrize(("who", "text"), [(who, text) for who, texts in AS.items() for text in texts])
def test_whoever_speaks_for_another_or_in_an_office_is_told(who: Speaker, text: str) -> None:
    assert speaker(text) is who


@pytest.mark.parametrize("text", NOBODY_ELSE)
def test_ordinary_words_make_nobody_a_policeman_or_a_child(text: str) -> None:
    assert speaker(text) is None


@pytest.mark.parametrize("who", Speaker)
@pytest.mark.parametrize(
    "intent", ["opt_out", "opt_in", "report_scam", "thanks", "case_status", "back_to_bot"]
)
def test_nobody_is_kept_from_an_opt_out_by_who_they_are(who: Speaker, intent: str) -> None:
    assert not is_for_a_human(who, intent)


@pytest.mark.parametrize("who", Speaker)
def test_to_whoever_they_are_nothing_is_disclosed(who: Speaker) -> None:
    assert is_for_a_human(who, "who_sent")
    assert is_for_a_human(who, "number_source")
    assert is_for_a_human(who, "rights_access")


@pytest.mark.parametrize("who", [Speaker.PRESS, Speaker.AUTHORITY])
def test_a_journalist_has_rights_of_her_own(who: Speaker) -> None:
    assert not is_for_a_human(who, "rights_erasure")


@pytest.mark.parametrize(
    ("text", "audience"),
    [
        ("jestem waszym klientem i chcę poprawić dane", Audience.DIRECT_CLIENT),
        ("byłam państwa klientką, usuńcie moje dane", Audience.DIRECT_CLIENT),
        ("mam u was konto od lat", Audience.DIRECT_CLIENT),
        ("usuńcie moje konto w SMSAPI", Audience.DIRECT_CLIENT),
        ("I am a customer of yours, delete my SMSAPI account", Audience.DIRECT_CLIENT),
        ("We have an account with you", Audience.DIRECT_CLIENT),
        ("Ich bin Ihr Kunde", Audience.DIRECT_CLIENT),
        ("я ваш клієнт", Audience.DIRECT_CLIENT),
        ("wycofuję zgodę na cookies na waszej stronie", Audience.VISITOR),
        ("wypiszcie mnie z newslettera", Audience.VISITOR),
        ("I withdraw my consent to your cookies", Audience.VISITOR),
        ("Einwilligung für Cookies auf Ihrer Webseite widerrufen", Audience.VISITOR),
        ("скасуйте мою згоду на cookies", Audience.VISITOR),
        ("mam u was konto i nie chcę cookies", None),
        ("usuńcie moje dane", None),
        ("jestem klientką Rossmanna", None),
    ],
)
def test_whom_somebody_is_to_the_provider_is_taken_from_their_words(
    text: str, audience: Audience | None
) -> None:
    assert claimed(text, "SMSAPI") is audience


@pytest.mark.parametrize(
    "text",
    ["usuńcie dane o ruchu", "skasujcie tę rozmowę", "delete this chat", "traffic data", "diesen Chat löschen",
     "видаліть цей чат"],
)  # fmt: skip
def test_what_is_held_here_is_told_from_what_a_client_holds(text: str) -> None:
    assert is_about_what_is_held_here(text)
    assert not is_about_what_is_held_here("usuńcie moje dane z bazy")


def test_the_provider_is_named_in_any_case() -> None:
    assert names("dane w SmsApi", "SMSAPI")
    assert not names("dane w sklepie", "SMSAPI")
