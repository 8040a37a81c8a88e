"""What a user asks for: a solution, eigenvalues, a family of solutions."""
