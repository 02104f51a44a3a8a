"""What one iteration is made of."""
