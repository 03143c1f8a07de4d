"""What every service shares: settings, limits, lifecycle, logs."""
