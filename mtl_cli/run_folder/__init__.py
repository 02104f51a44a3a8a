"""The files of a run's folder: what is written, how, and who may write."""
