"""The lecture-hall models of a server: the same echo, written in four classic ways.

Each module is one small program: C{python -m benchmarks.models.NAME PORT}.
"""
