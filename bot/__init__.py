"""whosent: the privacy bot of a business-messaging provider. Starts nothing when imported."""
