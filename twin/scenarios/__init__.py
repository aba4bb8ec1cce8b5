"""What-if questions: changes to the plant, compared in pairs on the same random numbers."""
