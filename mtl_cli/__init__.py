"""Config-driven multi-task learning experiments in TensorFlow."""
