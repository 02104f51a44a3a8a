"""Tables: reading, labels, features, splits, warnings, and the dataset of them."""
