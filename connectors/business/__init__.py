"""Business tables: orders, items, stock and purchase orders in; schedule, demand and proposals out."""

from connectors.business.export import demand_csv, proposals_csv, schedule_csv, write_table
from connectors.business.tables import replace_table, reread_tables

__all__ = [
    "demand_csv",
    "proposals_csv",
    "replace_table",
    "reread_tables",
    "schedule_csv",
    "write_table",
]
