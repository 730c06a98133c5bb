"""Pure decisions. No input or output, no clock: `now` is an argument."""
