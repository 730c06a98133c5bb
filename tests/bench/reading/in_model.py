"""Train pipelines on lines that are given, and read others with them; in the language model's own environment.

Run with the name of a file that says what is asked and of one for what was read, both JSON. Knows no threshold and
judges nothing: that is for the bot's side.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from components import linear_intents
from components.linear_intents import LinearIntents
from components.views import VIEWS
from rasa.engine.storage.local_model_storage import LocalModelStorage
from rasa.engine.storage.resource import Resource
from rasa.shared.nlu.training_data.message import Message
from rasa.shared.nlu.training_data.training_data import TrainingData
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import ComplementNB

SEED = 20240229
Lines = list[tuple[str, str]]  # text, intent


class Read:
    """What a pipeline made of the lines: a confidence for each of its intents, and what that cost."""

    def __init__(
        self, labels: Sequence[str], confidences: np.ndarray, training: float, reading: float
    ) -> None:
        self.labels, self.confidences = list(labels), confidences
        self.training, self.reading = training, reading

    def told(self) -> dict[str, Any]:
        return {
            "labels": self.labels,
            "confidences": [[round(float(c), 5) for c in row] for row in self.confidences],
            "training": round(self.training, 1),
            "reading": round(1000 * self.reading / max(1, len(self.confidences)), 2),
        }


@contextmanager
def timed(into: list[float]) -> Iterator[None]:
    began = time.process_time()
    yield
    into.append(time.process_time() - began)


# --- pipelines: from lines to confidences -----------------------------------------------------------------


def linear(lines: Lines, texts: list[str], views: Sequence[str] = tuple(VIEWS), **config: Any) -> Read:
    """The component as it is shipped, or with some of its views only, or configured otherwise."""
    spent: list[float] = []
    with only(views), timed(spent):
        component = trained(lines, **config)
    with only(views), timed(spent):
        rows = component._features(texts)
        confidences = softmax(rows @ component._weights + component._bias, axis=1)
    return Read(component._labels, confidences, *spent)


def logistic(lines: Lines, texts: list[str]) -> Read:
    """Logistic regression over the same features, all intents at once; its confidences as they come."""
    return _over_features(lines, texts, LogisticRegression(C=10.0, tol=1e-3, max_iter=50))


def bayes(lines: Lines, texts: list[str]) -> Read:
    """Naive Bayes over the same features, as its complement: the classes differ in size."""
    return _over_features(lines, texts, ComplementNB(alpha=0.3))


def diet(lines: Lines, texts: list[str], epochs: int) -> Read:
    """Rasa's own transformer over words and characters, as its documentation builds it, without entities."""
    from rasa.core.agent import Agent
    from rasa.model_training import train_nlu

    config = f"""
recipe: default.v1
language: pl
assistant_id: comparison
pipeline:
  - name: WhitespaceTokenizer
  - name: CountVectorsFeaturizer
  - name: CountVectorsFeaturizer
    analyzer: char_wb
    min_ngram: 2
    max_ngram: 4
  - name: DIETClassifier
    epochs: {epochs}
    entity_recognition: false
    random_seed: {SEED % 2**31}
    ranking_length: 0
policies: []
"""
    by_intent: dict[str, list[str]] = {}
    for text, intent in lines:
        by_intent.setdefault(intent, []).append(text)
    data = ['version: "3.1"', "nlu:"]
    for intent, held in by_intent.items():
        data += [f"- intent: {intent}", "  examples: |", *(f"    - {text}" for text in held)]
    spent: list[float] = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "config.yml").write_text(config, encoding="utf-8")
        (folder / "lines.yml").write_text("\n".join(data) + "\n", encoding="utf-8")
        with timed(spent):
            model = train_nlu(str(folder / "config.yml"), str(folder / "lines.yml"), place)
        agent = Agent.load(model)
    labels = sorted(by_intent)
    with timed(spent):
        read = [asyncio.run(agent.parse_message(text))["intent_ranking"] for text in texts]
    confidences = np.zeros((len(texts), len(labels)))
    for row, ranking in zip(confidences, read, strict=True):
        for entry in ranking:
            row[labels.index(entry["name"])] = entry["confidence"]
    return Read(labels, confidences, *spent)


def _over_features(lines: Lines, texts: list[str], classifier: Any) -> Read:
    spent: list[float] = []
    component = blank()
    with timed(spent):
        rows = component._learn_features([text for text, _ in lines])
        classifier.fit(rows, [intent for _, intent in lines])
    with timed(spent):
        confidences = classifier.predict_proba(component._features(texts))
    return Read(classifier.classes_, confidences, *spent)


# --- calibrations: from scores of lines that were not learned to confidences ------------------------------


def calibrations(lines: Lines, texts: list[str]) -> dict[str, Read]:
    """The same separators, their scores made confidences in several ways; fitted on the folds' unseen scores."""
    seen: list[Any] = []
    fit = linear_intents._calibration

    def kept(scores: np.ndarray, target: np.ndarray) -> tuple[float, np.ndarray]:
        slope, shift = fit(scores, target)
        seen.extend((scores, target, slope, shift))
        return slope, shift

    linear_intents._calibration = kept
    try:
        component = trained(lines)
    finally:
        linear_intents._calibration = fit
    unseen, target, slope, shift = seen
    confident = component._features(texts) @ component._weights + component._bias
    scores = (confident - shift) / slope
    one = minimize_scalar(lambda s: -log_softmax(s * unseen, axis=1)[np.arange(len(target)), target].mean(),
                          bounds=(0.5, 20.0), method="bounded").x  # fmt: skip
    sigmoids = np.zeros_like(scores)
    for place in range(scores.shape[1]):
        platt = LogisticRegression(C=1e3).fit(unseen[:, [place]], target == place)
        sigmoids[:, place] = platt.predict_proba(scores[:, [place]])[:, 1]
    ways = {
        "none: softmax of the scores": softmax(scores, axis=1),
        "one slope": softmax(one * scores, axis=1),
        "one slope, a shift for each intent (shipped)": softmax(confident, axis=1),
        "a sigmoid for each intent, normalised": sigmoids / sigmoids.sum(axis=1, keepdims=True),
        "a sigmoid for each intent, as they are": sigmoids,
    }
    return {name: Read(component._labels, confidences, 0.0, 0.0) for name, confidences in ways.items()}


# --- the component -----------------------------------------------------------------------------------------


def blank(**config: Any) -> LinearIntents:
    storage = LocalModelStorage(Path(tempfile.mkdtemp(dir=Path(sys.argv[2]).parent)))
    return LinearIntents({**LinearIntents.get_default_config(), **config}, storage, Resource("comparison"))


def trained(lines: Lines, **config: Any) -> LinearIntents:
    component = blank(**config)
    examples = [Message(data={"text": text, "intent": intent}) for text, intent in lines]
    component.train(training_data=TrainingData(training_examples=examples))
    return component


@contextmanager
def only(views: Sequence[str]) -> Iterator[None]:
    every = linear_intents.VIEWS
    linear_intents.VIEWS = {name: every[name] for name in views}
    try:
        yield
    finally:
        linear_intents.VIEWS = every


def sample(lines: Lines, most: int, seed: int) -> Lines:
    """At most so many lines of each intent."""
    chance = random.Random(seed)
    by_intent: dict[str, Lines] = {}
    for line in lines:
        by_intent.setdefault(line[1], []).append(line)
    return [line for held in by_intent.values() for line in chance.sample(held, min(most, len(held)))]


PIPELINES: dict[str, Callable[..., Read]] = {
    "linear": linear,
    "logistic": logistic,
    "bayes": bayes,
    "diet": diet,
}


def main() -> None:
    asked = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    lines = [(text, intent) for text, intent in asked["lines"]]
    if asked["most"]:
        lines = sample(lines, asked["most"], SEED)
    if asked["pipeline"] == "calibrations":
        read = calibrations(lines, asked["texts"])
    else:
        read = {"": PIPELINES[asked["pipeline"]](lines, asked["texts"], **asked["how"])}
    told = {"lines": len(lines), "read": {name: one.told() for name, one in read.items()}}
    Path(sys.argv[2]).write_text(json.dumps(told), encoding="utf-8")


if __name__ == "__main__":
    main()
