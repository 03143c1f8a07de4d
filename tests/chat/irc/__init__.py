"""Tests of the IRC frontend."""
