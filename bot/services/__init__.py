"""What can be done, one verb a file. Knows no provider and no web page."""
