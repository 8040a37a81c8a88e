"""What encoders serve beside differential equations, measured."""
