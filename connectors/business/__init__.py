"""Business tables: orders, items, stock and purchase orders."""
