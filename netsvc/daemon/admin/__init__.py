"""The admin pages: metrics, health, status for people and programs, reload."""
