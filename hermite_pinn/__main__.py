"""``python -m hermite_pinn`` does what the command ``hermite-pinn`` does."""

from __future__ import annotations

from .cli import main

__all__: list[str] = []

if __name__ == "__main__":
    main()
