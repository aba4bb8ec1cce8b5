"""Every boundary: machines, stores, business tables, web and command line."""
