"""How the learning rate changes over a run: one file a schedule."""
