"""Zip-NeRF (Barron et al. 2023): radiance fields on grids that know how wide a pixel is."""
