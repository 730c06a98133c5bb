"""One provider a file: tables, verify, parse, send. Knows no service; what a channel is stands in `domain.channel`."""
