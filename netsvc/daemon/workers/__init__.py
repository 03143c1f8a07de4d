"""Several processes for one daemon: a parent that binds, and workers that serve."""
