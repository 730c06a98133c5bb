"""Say which of some known questions a text is most like. Knows no intent, no answer, and no language.

Words, and runs of three to five letters inside them, are weighed by how few labels have them (TF-IDF) and
compared by the cosine; a label may also name beginnings of words that point to it. Runs of letters carry
Polish endings and typing errors. A model of the language would know more synonyms, but this needs no training
and no file, takes a fraction of a millisecond, and gives the same answer everywhere.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from math import log, sqrt

from bot.domain.folding import fold

RUNS = (3, 4, 5)
RUN_WEIGHT = 0.4  # a word, itself 1, has many runs
# Share of the likeness that pointing words decide; the questions decide the rest.
POINTED = 0.4
# So many pointing words, each of them this label's alone, count in full.
ENOUGH_POINTING = 2.0


@dataclass(frozen=True, slots=True)
class Known:
    """What is known to be asked for a label: whole questions, and beginnings of words that point to it.

    The beginnings are folded; one that ends with a blank is a whole word.
    """

    questions: Collection[str]
    words: Collection[str] = ()


class Likeness:
    """Labels with their questions, ready to be compared with a text."""

    def __init__(self, known: Mapping[str, Known]) -> None:
        self._known = known
        spectra = [(label, _spectrum(q)) for label, entry in known.items() for q in entry.questions]
        labels_with: dict[str, set[str]] = defaultdict(set)
        for label, spectrum in spectra:
            for feature in spectrum:
                labels_with[feature].add(label)
        self._rarity = {feature: log(1 + len(known) / len(having)) for feature, having in labels_with.items()}
        self._unseen = log(1 + len(known))
        self._labels = [label for label, _ in spectra]
        self._exact = {fold(q): label for label, entry in known.items() for q in entry.questions}
        self._holders: dict[str, list[tuple[int, float]]] = defaultdict(list)
        for index, (_, spectrum) in enumerate(spectra):
            for feature, weight in self._unit(spectrum).items():
                self._holders[feature].append((index, weight))

    def rank(self, text: str) -> list[tuple[str, float]]:
        """Return `(label, likeness)` for every label with anything in common, the most like first.

        Likeness is between 0 and 1; 1 is a known question, whatever its case, accents and punctuation. Equal
        ones stand in the order in which their labels were given.
        """
        folded = fold(text)
        asked = self._asked(folded)
        pointed = self._pointed(folded)
        likeness = {
            label: (1 - POINTED) * asked.get(label, 0.0) + POINTED * pointed.get(label, 0.0)
            for label in self._known
            if label in asked or label in pointed
        }
        if (exact := self._exact.get(folded)) is not None:
            likeness[exact] = 1.0
        return sorted(likeness.items(), key=lambda item: -item[1])

    def _asked(self, folded: str) -> dict[str, float]:
        """Return for each label the cosine of its question that is most like the text."""
        cosines: dict[int, float] = defaultdict(float)
        for feature, weight in self._unit(_spectrum(folded)).items():
            for index, other in self._holders.get(feature, ()):
                cosines[index] += weight * other
        best: dict[str, float] = {}
        for index, cosine in cosines.items():
            label = self._labels[index]
            best[label] = max(best.get(label, 0.0), cosine)
        return best

    def _pointed(self, folded: str) -> dict[str, float]:
        """Return for each label how far words point to it; a word that several labels name is shared out."""
        found: dict[str, float] = defaultdict(float)
        for word in dict.fromkeys(folded.split()):
            claimed_by = [
                label for label, entry in self._known.items() if f"{word} ".startswith(tuple(entry.words))
            ]
            for label in claimed_by:
                found[label] += 1 / len(claimed_by)
        return {label: min(1.0, amount / ENOUGH_POINTING) for label, amount in found.items()}

    def _unit(self, spectrum: dict[str, float]) -> dict[str, float]:
        weighed = {f: n * self._rarity.get(f, self._unseen) for f, n in spectrum.items()}
        length = sqrt(sum(weight * weight for weight in weighed.values())) or 1.0
        return {feature: weight / length for feature, weight in weighed.items()}


def _spectrum(text: str) -> dict[str, float]:
    weights: dict[str, float] = defaultdict(float)
    for word in fold(text).split():
        weights[f"<{word}>"] += 1.0
        for run in _runs(f" {word} "):
            weights[run] += RUN_WEIGHT
    return weights


def _runs(word: str) -> Iterator[str]:
    for size in RUNS:
        for start in range(len(word) - size + 1):
            yield word[start : start + size]
