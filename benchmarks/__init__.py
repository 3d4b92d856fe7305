"""Ratios to peers on the same problem, with the accuracy of each side beside its time.

`python -m benchmarks --help` lists the cases. A module imports those above it only.

| module | what it knows |
| --- | --- |
| `peers/` | one peer a file: NumPy, Numba, SciPy, diffrax; never hermiteflow |
| `machine` | what this machine and its software are, and its peaks |
| `measure` | sides, interleaved rounds, statistics, and when a ratio may be printed |
| `problems` | the problems, references to judge both sides by, floating-point operations |
| `cases` | our side against a peer on a problem |
| `curves` | our time against n, d, k, threads |
| `engine` | steps, rejections, time and error by method |
| `precision` | work against precision on random cases |
| `tables`, `figures` | results in, Markdown or pictures out |
| `__main__` | the command |
"""
