"""How the tasks' losses become one update in joint mode: one file a method."""
