"""Rooms in which people on telnet, on IRC and over UDP talk together."""
