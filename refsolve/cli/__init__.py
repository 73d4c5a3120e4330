"""The command line: one thin file per command, each loaded when it is called."""
