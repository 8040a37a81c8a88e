"""The statement of a problem: domain, fields, equations, conditions, parameters."""
