"""Models that turn features into failure forecasts."""
