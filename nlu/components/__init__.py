"""The parts of the language model that are ours. Rasa loads them by name; nothing runs here."""
