"""Untrusted input: files, configs and texts that somebody else made."""
