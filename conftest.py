"""How ``pytest --doctest-modules`` imports a module of the package: as everyone does.

Left alone it would import it anew and put it where its package has a function of the same name, as ``hp.solve``.
"""

import importlib
from pathlib import Path

ROOT = Path(__file__).parent


def pytest_collect_file(file_path):
    inner = file_path.relative_to(ROOT) if file_path.is_relative_to(ROOT) else file_path
    if inner.parts[0] == "hermite_pinn" and inner.suffix == ".py" and inner.stem not in ("__init__", "__main__"):
        importlib.import_module(".".join(inner.with_suffix("").parts))
