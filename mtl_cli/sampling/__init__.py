"""How alternating mode picks the next task: one file a way."""
