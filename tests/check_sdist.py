"""Check a source distribution: what it must hold, what it must not, and its size.

Usage: python tests/check_sdist.py SDIST
"""

import re
import sys
import tarfile
from pathlib import Path

LIMIT = 3_000_000  # bytes
REQUIRED = (
    "PKG-INFO",
    "pyproject.toml",
    "CMakeLists.txt",
    "cmake/kernels.cmake",
    "cmake/compiler.cmake",
    "cpp/bindings/module.cpp",
    "cpp/include/hermiteflow/types.hpp",
    "python/hermiteflow/__init__.py",
    "python/hermiteflow/_core.pyi",
    "python/hermiteflow/py.typed",
    "tests/python/conftest.py",
    "tests/tree/conftest.py",
    "docs/conf.py",
    "docs/index.md",
    "docs/notebooks/coverage.py",
    "examples/coverage.py",
    "benchmarks/__main__.py",
    "noxfile.py",
    "README.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "CITATION.cff",
    "environment.yml",
    "LICENSE",
    "licenses/Eigen-MPL2.txt",
    "licenses/pybind11-BSD3.txt",
    "licenses/libgomp-GPL3-with-exception.txt",
    "licenses/libomp-Apache2-with-exception.txt",
)
JUNK = re.compile(
    r"(^|/)(\.ci|\.github|\.git|\.venv[^/]*|\.nox|build|dist|_build|__pycache__|"
    r"[^/]*\.egg-info|\.\w+_cache)/|\.(so|pyd|dylib|o|a|pyc|whl)$"
)


def faults(sdist: Path) -> list[str]:
    """Return what is wrong with a source distribution, one line each."""
    found = []
    size = sdist.stat().st_size
    if size >= LIMIT:
        found.append(f"{size} bytes, must be less than {LIMIT}")
    with tarfile.open(sdist) as archive:
        members = archive.getmembers()
    top = sdist.name.removesuffix(".tar.gz") + "/"
    names = [member.name for member in members if not member.isdir()]
    found += [f"holds {name}, outside of {top}" for name in names if not name.startswith(top)]
    inside = {name.removeprefix(top) for name in names}
    found += [f"lacks {name}" for name in REQUIRED if name not in inside]
    found += [f"holds {name}" for name in sorted(inside) if JUNK.search(name)]
    return found


def main(argv: list[str]) -> int:
    """Print the faults of a source distribution; exit 1 if there are any."""
    if len(argv) != 2:
        print(__doc__)
        return 2
    sdist = Path(argv[1])
    found = faults(sdist)
    for fault in found:
        print(f"{sdist.name}: {fault}")
    if not found:
        print(f"{sdist.name}: {sdist.stat().st_size / 1e6:.2f} MB, complete")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
