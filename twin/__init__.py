"""What the plant is and how it behaves; no network, no database, no web."""
