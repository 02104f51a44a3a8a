"""How gradients move parameters: one file an optimizer."""
