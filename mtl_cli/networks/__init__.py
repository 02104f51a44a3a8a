"""Networks: the layers that architectures are made of, the parameters, and whose they are."""
