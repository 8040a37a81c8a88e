"""What a user's function says: symbols, expression graphs, their derivatives and their evaluation."""
