"""Sweeps: many runs, planned, trained in as few programs as they need, and compared."""
