"""What the encoders serve beside differential equations: distances, images, radiance fields, compressed fields."""
