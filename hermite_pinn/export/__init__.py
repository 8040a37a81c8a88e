"""Files: HDF5 for everything, VTK for ParaView, pictures."""
