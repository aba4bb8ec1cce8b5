"""The order of the orders: problem, solver, and a checker that trusts neither."""
