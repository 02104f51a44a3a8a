"""The words that may come first: `mtl-train resume`, `report`, `inspect`, `predict`."""
