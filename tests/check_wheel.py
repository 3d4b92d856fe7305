"""Check a wheel file: what it must hold, what it must not, its size and its licences.

Usage: python tests/check_wheel.py [--repaired] WHEEL
       python tests/check_wheel.py --installed

--installed: what pip has unpacked for the Python that runs this, packed again.
--repaired: the wheel must also hold its OpenMP library, and its tag must name the systems that it
runs on (manylinux or macosx).
"""

import re
import sys
import tempfile
import zipfile
from importlib import metadata
from pathlib import Path

LIMIT = 5_000_000  # bytes
#: What must be there, as patterns of whole names, and how a missing one is told.
REQUIRED = {
    r"hermiteflow/py\.typed": "py.typed",
    r"hermiteflow/_core\.pyi": "the stub _core.pyi",
    r"hermiteflow/_core[.\w-]*\.(so|pyd)": "the compiled module",
    r"[^/]+\.dist-info/entry_points\.txt": "the command line",
    r"[^/]+\.dist-info/licenses/LICENSE": "LICENSE",
    r"[^/]+\.dist-info/licenses/licenses/Eigen-MPL2\.txt": "the licence of Eigen",
    r"[^/]+\.dist-info/licenses/licenses/pybind11-BSD3\.txt": "the licence of pybind11",
}
#: Libraries that repairing puts into a wheel, and the licence that goes with each.
GRAFTED = {
    r"hermiteflow\.libs/libgomp[^/]*": "libgomp-GPL3-with-exception.txt",
    r"hermiteflow/\.dylibs/libomp[^/]*": "libomp-Apache2-with-exception.txt",
}
LIBRARY = re.compile(r"\.(so|dylib|dll)[.\d]*$")
SOURCE = re.compile(r"\.(c|cc|cpp|cxx|h|hpp|cmake|o|a|pyc)$|CMakeLists\.txt$")
#: What pip adds to a wheel that it unpacks; "../" leads to the command line.
PIPS = re.compile(r"\.\./|.*/(INSTALLER|REQUESTED|direct_url\.json)$|.*__pycache__/")
OWN = re.compile(r"hermiteflow/|hermiteflow\.libs/|hermiteflow-[\w.+]+\.dist-info/")


def faults(wheel: Path, *, repaired: bool = False) -> list[str]:
    """Return what is wrong with a wheel, one line each."""
    found = []
    size = wheel.stat().st_size
    if size >= LIMIT:
        found.append(f"{size} bytes, must be less than {LIMIT}")
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/")]
        texts = {
            part: archive.read(name).decode()
            for part in ("METADATA", "RECORD")
            for name in names
            if re.fullmatch(rf"[^/]+\.dist-info/{part}", name)
        }

    def have(pattern: str) -> list[str]:
        return [name for name in names if re.fullmatch(pattern, name)]

    found += [f"lacks {what}" for pattern, what in REQUIRED.items() if not have(pattern)]
    if len(have(r"hermiteflow/_core[.\w-]*\.(so|pyd)")) > 1:
        found.append("holds more than one compiled module")
    for name in names:
        if not OWN.match(name):
            found.append(f"holds {name}, outside of the package")
        elif SOURCE.search(name):
            found.append(f"holds {name}, a file of the build")
    libraries = [n for n in names if LIBRARY.search(n) and not n.startswith("hermiteflow/_core")]
    for name in libraries:
        notes = [note for pattern, note in GRAFTED.items() if re.fullmatch(pattern, name)]
        if not notes:
            found.append(f"holds {name}, whose licence nobody has looked at")
        found += [f"holds {name} but lacks {n}" for n in notes if not have(f".*/licenses/{n}")]
    if repaired and not libraries:
        found.append("lacks an OpenMP library: it was not repaired, or has no threads")
    if repaired and not re.search(r"-(manylinux|macosx)_\w+\.whl$", wheel.name):
        found.append(f"its name {wheel.name} does not tell which systems it runs on")
    recorded = {line.rsplit(",", 2)[0].strip('"') for line in texts.get("RECORD", "").splitlines()}
    found += [f"holds {name}, which RECORD does not list" for name in sorted({*names} - recorded)]
    found += _metadata_faults(texts.get("METADATA", ""), wheel.name)
    return found


def _metadata_faults(text: str, name: str) -> list[str]:
    """Return what is wrong with METADATA."""
    head = text.partition("\n\n")[0]
    fields = dict(line.split(": ", 1) for line in head.splitlines() if ": " in line)
    found = []
    if fields.get("Version") != name.split("-")[1]:
        found.append(f"METADATA has version {fields.get('Version')}, its name {name}")
    if "MPL-2.0" not in fields.get("License-Expression", ""):
        found.append("METADATA does not name the licences (License-Expression)")
    return found


def pack(folder: Path) -> Path:
    """Put the files of the installed package back into a wheel."""
    found = metadata.distribution("hermiteflow")
    wheel = folder / f"hermiteflow-{found.version}-installed.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in found.files or ():
            if not PIPS.match(str(file)):
                archive.write(str(file.locate()), str(file))
    return wheel


def main(argv: list[str]) -> int:
    """Print the faults of a wheel; exit 1 if there are any."""
    with tempfile.TemporaryDirectory() as folder:
        match argv[1:]:
            case ["--installed"]:
                return tell(pack(Path(folder)), repaired=False)
            case ["--repaired", name] | [name, "--repaired"]:
                return tell(Path(name), repaired=True)
            case [name] if not name.startswith("-"):
                return tell(Path(name), repaired=False)
    print(__doc__)
    return 2


def tell(wheel: Path, *, repaired: bool) -> int:
    found = faults(wheel, repaired=repaired)
    for fault in found:
        print(f"{wheel.name}: {fault}")
    if not found:
        print(f"{wheel.name}: {wheel.stat().st_size / 1e6:.2f} MB, complete")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
