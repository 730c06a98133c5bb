"""What the bot can talk about, one topic a file. Reads through services, decides, writes nothing."""
