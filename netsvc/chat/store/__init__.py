"""What outlives the process: history, accounts, bans; in one SQLite file."""
