"""The support desk in the browser. Calls services and has no rules of its own."""
