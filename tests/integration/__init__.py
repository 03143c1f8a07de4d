"""Tests with real processes, sockets and peers on loopback."""
