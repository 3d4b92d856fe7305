"""Print the multiply-add rate of each instruction set; fail if the best runs at the base's speed.

A linker that merges the variants gives them all one speed. Needs the installed package.
"""

import os
import subprocess
import sys

ASK = (
    "import hermiteflow as hf; i = hf.build_info();"
    "print(i['isa'], max(hf._core.fma_peak(0.05) for _ in range(5)), *i['isa_available'])"
)


def rate(isa: str) -> tuple[float, list[str]]:
    """GF/s of one thread under an instruction set ("": the default), and all there are."""
    environment = {**os.environ, **({"HERMITEFLOW_ISA": isa} if isa else {})}
    answer = subprocess.run(
        [sys.executable, "-c", ASK], env=environment, capture_output=True, text=True, check=True
    )
    used, value, *names = answer.stdout.split()
    if isa and used != isa:
        raise SystemExit(f"HERMITEFLOW_ISA={isa} gave {used}")
    return float(value), names


def main() -> None:
    """Check this machine; two registers of the same width may be equally fast (double pumping)."""
    names = rate("")[1]
    rates = {name: rate(name)[0] for name in names}
    print("; ".join(f"{name} {value:.1f} GF/s" for name, value in rates.items()))
    if len(names) > 1 and not max(rates.values()) > 1.5 * rates["generic"]:
        raise SystemExit("no instruction set is faster than the generic one")


if __name__ == "__main__":
    main()
