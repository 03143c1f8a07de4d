"""The line frontend: the rooms for telnet, nc and clients that people write."""
