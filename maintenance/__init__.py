"""What will fail, and when: telemetry windows in, forecasts out."""
