"""Laws of the line fitted to its telemetry, each with its evidence."""
