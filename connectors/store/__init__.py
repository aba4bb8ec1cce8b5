"""Stores: historians for telemetry, a ledger for decisions."""
