"""What a run returns, and its exports."""
