"""From Hydra's config to the run's, also from a recorded one."""
