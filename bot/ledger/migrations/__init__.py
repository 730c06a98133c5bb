"""The steps by which a ledger's schema comes to what tables.py draws. Run by bot.ledger.migrate."""
