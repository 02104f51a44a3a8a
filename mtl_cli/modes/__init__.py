"""Training modes: one file each, giving the step of one iteration."""
