"""Component demand as a distribution, netted into purchase proposals with their reason."""
