"""Check that the kernels' instruction-set variants share no weak symbol with any other object.

The linker keeps one copy of each weak symbol. If a template is instantiated under the same name in
the objects of two variants, or in a variant and in the plain core, all use whichever copy came
first: slow code on a new processor, or an illegal instruction on an old one. Constants without
pointers (sections .rodata*) are the same bytes in each copy and may be shared.

Usage: python tests/check_isa_symbols.py BUILD_DIR
"""

import re
import subprocess
import sys
from collections import defaultdict
from itertools import combinations
from pathlib import Path

VARIANT = re.compile(r"hermiteflow_kernels_(\w+)\.dir")
BASELINE = {"generic", "core"}  # compiled with the same instruction set, so they may share
HARMLESS = ("DW.ref.",)  # pointers to the exception personality: data, not code


def weak_symbols(path: Path) -> set[str]:
    """Weak symbols that an object file defines, except plain constants."""
    listing = subprocess.run(
        ["nm", "--defined-only", "--format=sysv", str(path)],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    symbols = set()
    for line in listing.splitlines():
        fields = [field.strip() for field in line.split("|")]
        if len(fields) != 7:  # a heading
            continue
        name, kind, section = fields[0], fields[2], fields[6]
        constant = kind in "Vu" and section.startswith(".rodata")
        if kind in "WVu" and not constant and not name.startswith(HARMLESS):
            symbols.add(name)
    return symbols


def main(argv: list[str]) -> int:
    """Print the weak symbols of each group of objects; exit 1 if two groups share one."""
    if len(argv) != 2:
        print(__doc__)
        return 2
    groups: dict[str, set[str]] = defaultdict(set)
    for path in sorted(Path(argv[1]).rglob("*.o")):
        variant = VARIANT.search(str(path))
        groups[variant.group(1) if variant else "core"] |= weak_symbols(path)
    variants = sorted(set(groups) - {"core"})
    if not variants:
        print(f"no objects of hermiteflow_kernels_* below {argv[1]}")
        return 2
    shared = 0
    for first, second in combinations(sorted(groups), 2):
        if {first, second} <= BASELINE:
            continue
        for name in sorted(groups[first] & groups[second]):
            print(f"{first} and {second} share the weak symbol {name}")
            shared += 1
    counts = ", ".join(f"{name}: {len(groups[name])}" for name in sorted(groups))
    print(f"weak symbols ({counts}); {shared} shared between instruction sets")
    return 1 if shared else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
