"""The small servers that the benchmarks compare; each is run as a program."""
