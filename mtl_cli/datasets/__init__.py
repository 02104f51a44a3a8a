"""What data sources are made of."""
