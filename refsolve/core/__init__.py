"""The ground floor: errors, the numba switch, seeds, checks, results, and schemas."""
