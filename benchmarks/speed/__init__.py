"""CPU seconds of the methods, side by side with peers: one file per method."""
