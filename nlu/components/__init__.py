"""The parts of the language model that are ours. Rasa loads them by name from config.yml; nothing runs here."""
