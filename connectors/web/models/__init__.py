"""Every document of ``/api/v1``, typed: what OpenAPI shows and what answers are checked against."""
