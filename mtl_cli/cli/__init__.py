"""The command: its words, verbs and exit status."""
