"""netsvc beside its peers: one run, ratios of CPU per unit of work."""
