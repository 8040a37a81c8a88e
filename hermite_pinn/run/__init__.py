"""What all runs share: monitor, status, progress, checkpoints, processes, devices."""
