"""Features of a machine from its telemetry."""
