"""From what a source says to what the store keeps: normalise and batch."""
