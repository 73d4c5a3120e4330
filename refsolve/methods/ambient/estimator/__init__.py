"""Profile, contamination, corrected counts, states, and technical groups."""
