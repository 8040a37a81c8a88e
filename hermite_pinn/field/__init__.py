"""Fields on a box: tables, heads, sampling, and factors that vanish on faces."""
