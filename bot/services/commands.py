"""Read a command somebody typed ("/mydata"), and name the commands a chat can offer. Carries nothing out.

Commands are Telegram's way, yet whoever types one elsewhere means the same. "/stop" is a STOP by its word.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from bot.domain.conversation import Wish
from bot.domain.messages import Medium
from bot.texts import Texts

COMMANDS: Mapping[str, tuple[str, str]] = {
    # in the order in which a chat lists them: the wish, and what it is called there
    "who": ("who_sent", "command.who"),
    "stop": ("opt_out", "command.stop"),
    "human": ("human", "command.human"),
    "mydata": ("my_data", "command.mydata"),
    "language": ("language", "command.language"),
    "privacy": ("privacy", "command.privacy"),
    "help": ("help", "command.help"),
    "start": ("chat_opened", "command.start"),
}
_TYPED = re.compile(r"\s*/([a-z]+)\s*", re.IGNORECASE)


def wish_in(text: str) -> Wish | None:
    """The wish of a message that is one command and nothing else."""
    typed = _TYPED.fullmatch(text)
    known = COMMANDS.get(typed.group(1).lower()) if typed else None
    return None if known is None else Wish(known[0], "command")


def offered(texts: Texts) -> Mapping[str, Sequence[tuple[str, str]]]:
    """By language: each command's name and what it does, in a few words."""
    return {
        language: tuple((name, texts.say(key, language, Medium.TELEGRAM)) for name, (_, key) in COMMANDS.items())
        for language in texts.languages
    }
