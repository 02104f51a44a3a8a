"""The life of a run, from config to files."""
