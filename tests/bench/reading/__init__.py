"""How well the wishes are read: pipelines, calibrations, thresholds and amounts of data side by side."""
