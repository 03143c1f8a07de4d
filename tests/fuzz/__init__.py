"""Fuzz targets, and inputs that have been interesting: L{tests.fuzz.targets}."""
