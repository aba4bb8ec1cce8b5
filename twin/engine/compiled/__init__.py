"""The engine compiled by Numba: the reference's results, bit for bit, in far less time."""
