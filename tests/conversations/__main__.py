"""Run the flows and write or print their transcripts: python -m tests.conversations [--write FILE] [--only F1]."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

import structlog

from tests.conversations.playing import LANGUAGES, as_markdown, flows, model, play


def main() -> int:
    arguments = argparse.ArgumentParser(prog="python -m tests.conversations", description=__doc__)
    arguments.add_argument("--write", type=Path, metavar="FILE", help="where to write the document")
    arguments.add_argument("--only", action="append", metavar="F1", help="these flows; not to be written")
    given = arguments.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    chosen = [flow for flow in flows() if not given.only or flow.name in given.only]
    with model() as understanding:
        played = [play(flow, language, understanding) for flow in chosen for language in LANGUAGES]
    for one in played:
        for fault in one.faults:
            print(f"{one.flow.name} {one.language}: {fault}", file=sys.stderr)
    text = as_markdown(played)
    if given.write is None or given.only:
        print(text)
    else:
        given.write.write_text(text, encoding="utf-8")
    return 1 if any(one.faults for one in played) else 0


if __name__ == "__main__":
    sys.exit(main())
