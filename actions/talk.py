"""Answer what is said around a wish: greetings, help, a human, and not having understood."""

from __future__ import annotations

from dataclasses import replace

from actions import asking, rights
from bot.domain.conversation import Do, Leaves, Option, Outcome, Say, Turn, Wish
from bot.domain.language import NAMES
from bot.domain.messages import Medium
from bot.services.contracts import Reads


def human(turn: Turn, reads: Reads) -> Outcome:
    """A case first, so that nothing is lost if nobody is there, then the handing over."""
    opened = Do("open_case", {"topic": "human"}, {"done": "human.done", "merged": "human.again"})
    return Outcome(do=(opened, Do("hand_over", {}, {"done": "", "already": ""})))


def back_to_bot(turn: Turn, reads: Reads) -> Outcome:
    return Outcome(
        do=(Do("hand_back", {}, {"done": "human.back", "already": "talk.here"}),), ask=asking.menu(turn)
    )


def help_(turn: Turn, reads: Reads) -> Outcome:
    if asking.is_in_intake(turn):
        return Outcome(say=(Say("talk.help_here"),))
    return Outcome(ask=asking.menu(turn, "menu.help"))


def greet(turn: Turn, reads: Reads) -> Outcome:
    if asking.is_in_intake(turn):
        return Outcome(say=(Say("talk.hello"),))
    return Outcome(ask=asking.menu(turn, "menu.greet"))


def chat_opened(turn: Turn, reads: Reads) -> Outcome:
    """The first words on a messenger: what this is, and how to begin."""
    can_share = turn.medium is Medium.TELEGRAM and turn.person is None
    if can_share:
        return Outcome(
            say=(Say("talk.opened"),),
            ask=asking.fill(
                turn, "who_sent.ask_name_or_contact", slot="sender", topic="who_sent", asks_contact=True
            ),
            leaves=Leaves.NOTHING,
        )
    return Outcome(ask=asking.menu(turn, "menu.greet"), leaves=Leaves.NOTHING)


def contact_shared(turn: Turn, reads: Reads) -> Outcome:
    """The number is known now: on with what it was asked for, else with the message it is about."""
    request = rights.goes_on_with_contact(turn.asked)
    if request is not None:
        return rights.forward(replace(turn, wish=Wish(rights.FORWARD, "option", slots=request)), reads)
    return Outcome(
        say=(Say("talk.contact_known"),),
        ask=asking.fill(turn, "who_sent.ask_name", slot="sender", topic="who_sent"),
    )


def contact_refused(turn: Turn, reads: Reads) -> Outcome:
    return Outcome(say=(Say("talk.contact_refused"),))


def about_bot(turn: Turn, reads: Reads) -> Outcome:
    """A machine says that it is one (AI Act, art. 50(1))."""
    return Outcome(say=(Say("talk.bot"),))


def language(turn: Turn, reads: Reads) -> Outcome:
    """A wish for a language (`language` among its slots) is granted by now if we have it; else the choice is put.

    What was open is put again, in the new words.
    """
    if reads.house.texts.has(turn.wish.slots.get("language")):
        ask = turn.asked or asking.menu(turn)
        return Outcome(say=(Say("talk.speaks"),), ask=ask, memory=turn.memory)
    options = (
        Option("language", NAMES.get(offered, offered), {"language": offered}, is_name=True)
        for offered in reads.house.texts.languages
    )
    return Outcome(ask=asking.choose(turn, "menu.language", *options), memory=turn.memory)


def thanks(turn: Turn, reads: Reads) -> Outcome:
    return Outcome(say=(Say("talk.welcome"),), leaves=Leaves.STANDING)


def nothing_asked(turn: Turn, reads: Reads) -> Outcome:
    """A yes to nothing: offer the ways."""
    if asking.is_in_intake(turn):
        return not_understood(turn, reads)
    return Outcome(ask=asking.menu(turn))


def declined(turn: Turn, reads: Reads) -> Outcome:
    """A no ends what was asked and leaves everything as it was; one that was an answer, nothing else besides."""
    leaves = Leaves.AGAIN if turn.wish.by == "option" else Leaves.NOTHING
    return Outcome(say=(Say("talk.declined"),), leaves=leaves)


def did_you_mean(turn: Turn, reads: Reads) -> Outcome:
    """Not sure: the likely wishes, numbered, and a human as the last way."""
    labels = reads.house.texts.keys(turn.language)
    by_label = {_label(name): name for name in reversed(turn.wish.alternatives) if name != "human"}
    likely = [name for name in turn.wish.alternatives if by_label.get(_label(name)) == name]
    likely = [name for name in likely if _label(name) in labels][:2]
    if not likely:
        return not_understood(turn, reads)
    options = [Option(name, _label(name), is_opt_out=name == "opt_out") for name in likely]
    ask = asking.offer(turn, "menu.did_you_mean", *options, Option("human", "label.human"))
    if asking.is_in_intake(turn):
        ask = replace(ask, then=turn.asked)
    if not likely[0].startswith("rights_"):
        return Outcome(ask=ask, is_understood=False)
    # A right that may have been claimed is on record until the person says that it was not (DESIGN, invariant 10).
    case = {"topic": likely[0], "state": "possible", "is_ours": True}
    noted = Do("open_case", case, {"done": "", "merged": ""})
    return Outcome(do=(noted,), ask=replace(ask, slots={"possible": likely[0]}), is_understood=False)


def _label(intent: str) -> str:
    """The words that offer a wish; the policy's questions share theirs."""
    return "label.policy" if intent.startswith("faq/") else f"label.{intent}"


def not_understood(turn: Turn, reads: Reads) -> Outcome:
    """Within an intake its question is put again; from the second time on with the ways out of it."""
    if asking.is_in_intake(turn):
        missed = int(turn.memory.get("missed", 0)) + 1
        say = Say("talk.not_understood" if missed == 1 else "talk.still_not_understood")
        return Outcome(say=(say,), memory={**turn.memory, "missed": missed}, is_understood=False)
    return Outcome(ask=asking.menu(turn, "menu.not_understood"), is_understood=False)


def not_read(turn: Turn, reads: Reads) -> Outcome:
    """The model is away: say what works now, and that the message is read as soon as it is back."""
    return Outcome(ask=asking.menu(turn, "menu.not_read"), is_understood=False)
