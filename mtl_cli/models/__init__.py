"""Architectures: one file each, giving the network that the tasks share and part in."""
