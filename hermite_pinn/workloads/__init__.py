"""What the encoders serve beside differential equations: signed distances, images, radiance fields."""
