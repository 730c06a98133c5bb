"""Every migration there is, in the order of their numbers."""
