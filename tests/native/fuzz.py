"""Let libFuzzer look for faults of the core: `fuzz.py BUILD MINUTES`, after a twin with one.

BUILD has fuzz_core and fuzz_core_planted, which reads beyond an array. It keeps the corpus.
"""

import random
import subprocess
import sys
from pathlib import Path

OPTIONS = ("-len_control=0", "-max_len=1024", "-timeout=120", "-print_final_stats=1")


def main(build: Path, minutes: float) -> int:
    corpus = build / "corpus"
    corpus.mkdir(exist_ok=True)
    chance = random.Random(0)
    for i in range(56):  # the first byte says which entry of the core is called
        (corpus / f"seed{i}").write_bytes(bytes([i]) + chance.randbytes(700))
    options = [*OPTIONS, f"-artifact_prefix={build}/", str(corpus)]
    found = subprocess.run(
        [build / "fuzz_core_planted", *options, "-max_total_time=600"],
        capture_output=True,
        text=True,
        check=False,
    )
    if "heap-buffer-overflow" not in found.stderr:
        print("the planted overflow was not found")
        return 1
    time = f"-max_total_time={round(60 * minutes)}"
    status = subprocess.run([build / "fuzz_core", *options, time], check=False).returncode
    print(f"{len(list(corpus.iterdir()))} files in the corpus")
    return status


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), float(sys.argv[2])))
