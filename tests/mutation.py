"""Mutation testing: faults are put into a module one by one, and its tests must see each.

`nox -s mutation -- MODULE [--sample N] [--seed S]`. The faults are those of cosmic-ray; a fault is
made in memory, in a forked process that then imports the package and runs the tests, so that no
file changes. Survivors are printed with their line; the exit status tells nothing about them.
"""

from __future__ import annotations

import argparse
import ast
import importlib.abc
import importlib.util
import os
import random
import resource
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

import parso
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator

os.environ |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"}
ROOT = Path(__file__).resolve().parents[1]
#: Which tests see a module, files or single ones; the quick ones first, since the first failure
#: ends a run.
TESTS = {
    "_checks": "test_checks test_bad_input",
    "links": "test_links test_differential_values test_activations test_display",
    "_activations": "test_activations test_callables test_recipes test_links",
    "interactions": "test_interactions test_differential_values test_activations",
    "_arcsine": "test_activations",
    "exact": "test_exact test_odd_input",
    "_orbits": "test_exact test_odd_input",
    "_quadrature": "test_exact",
    "_beta": "test_experiments",
    "_statistics": "test_differential_values test_experiments",
    "landscape._differences": "test_landscape_pairs test_landscape_edges",
    "landscape._families": "test_landscape_pairs",
    "landscape._conic": "test_landscape_pairs test_landscape_forms test_landscape_edges",
    "landscape._isolate": "test_landscape_isolation test_landscape_forms test_landscape_edges",
    "landscape._equations": "test_landscape_forms test_landscape_edges test_landscape",
    "landscape._enumerate": "test_landscape_lists test_landscape_edges",
    "landscape._curve": "test_landscape_curves"
    " test_thresholds::test_pure_degrees_to_twelve_digits"
    " test_thresholds::test_folds_of_closed_forms_by_mpmath",
    "landscape._continuation": "test_landscape_curves"
    " test_branches::test_derivatives_of_the_equations"
    " test_branches::test_minima_that_lose_stability"
    " test_branches::test_a_closed_curve_is_followed_once"
    " test_branches::test_at_beta_0_branches_of_an_even_psi_share_orbits",
    "landscape._nearest": "test_nearest::test_nearest_by_hand"
    " test_nearest::test_each_neuron_has_a_second_layer_of_its_own"
    " test_nearest::test_a_zero_of_a_closed_form_is_in_the_way test_nearest::test_bad_starts"
    " test_nearest::test_zeros_on_the_way_to_1"
    " test_nearest::test_a_zero_of_a_closed_form_is_located"
    " test_nearest::test_the_flow_ends_at_the_nearest",
    "landscape._naming": "test_landscape_problem test_basins::test_orbits_are_named_by_their_groups"
    " test_basins::test_two_index_vectors_have_three_orbits test_basins::test_any_link",
    "landscape._squared_minima": "test_squared_minima",
    "landscape._points": "test_points_search test_points::test_small_forces_are_no_fixed_points"
    " test_points::test_bad_input",
    "landscape._basins": "test_basins::test_bad_arguments test_basins::test_any_link"
    " test_basins::test_the_core_gets_a_second_layer_for_each_neuron"
    " test_basins::test_ends_that_are_no_minima test_basins::test_starts_have_the_law_of_vectors"
    " test_basins::test_failures_are_counted test_basins::test_three_curves"
    " test_basins::test_the_dataset_tells_what_it_is test_basins::test_only_the_seed_matters",
    "landscape._problem": "test_landscape_problem test_landscape::test_bad_input",
    "landscape._table": "test_landscape_tables",
    "landscape._found": "test_landscape_tables",
    **{
        f"landscape._{name}": "test_landscape_atlas test_landscape_pieces"
        " test_landscape_walk"
        " test_branches::test_an_orbit_forgotten_or_invented_is_rejected"
        " test_branches::test_minima_that_lose_stability test_branches::test_bad_input"
        " test_branches::test_the_dataset_can_be_saved"
        " test_branches::test_at_beta_0_branches_of_an_even_psi_share_orbits"
        " test_branches::test_a_closed_curve_is_followed_once"
        " test_branches::test_a_beta_that_no_list_can_decide_is_named"
        for name in ("walk", "atlas", "pieces", "branches")
    },
    "landscape._spectrum": "test_landscape_spectrum test_landscape_edges",
    "landscape._intervals": "test_landscape_numbers test_landscape_edges",
    "landscape._rational": "test_landscape_numbers test_landscape_edges",
    "landscape._thresholds": "test_thresholds",
}
#: What is too slow to be run for each fault.
SLOW = "not thousand and not monte_carlo and not bootstrap and not slope_interval"
OPERATORS = (
    *(f"ReplaceBinaryOperator_{pair}" for pair in (
        "Add_Sub", "Sub_Add", "Mul_Div", "Div_Mul", "Pow_Mul", "FloorDiv_Mul", "Mod_Add",
        "BitAnd_BitOr", "BitOr_BitAnd",
    )),
    *(f"ReplaceComparisonOperator_{pair}" for pair in (
        "Eq_NotEq", "NotEq_Eq", "Lt_LtE", "LtE_Lt", "Gt_GtE", "GtE_Gt", "Lt_Gt", "Gt_Lt",
        "LtE_GtE", "GtE_LtE", "Is_IsNot", "IsNot_Is",
    )),
    "ReplaceUnaryOperator_USub_UAdd", "ReplaceUnaryOperator_Delete_Not", "AddNot",
    "ReplaceTrueWithFalse", "ReplaceFalseWithTrue", "ReplaceAndWithOr", "ReplaceOrWithAnd",
    "ReplaceBreakWithContinue", "ReplaceContinueWithBreak", "NumberReplacer",
    "ZeroIterationForLoop", "ExceptionReplacer",
)  # fmt: skip


def annotations(source: str) -> set[tuple[int, int]]:
    """Where annotations stand, (line, column): they are never run."""
    found: set[tuple[int, int]] = set()
    for node in ast.walk(ast.parse(source)):
        for name in ("annotation", "returns"):
            part = getattr(node, name, None)
            if part is not None:
                found |= {(part.lineno, c) for c in range(part.col_offset, part.end_col_offset)}
    return found


def mutants(source: str) -> list[tuple[int, str, int]]:
    """All faults: line, operator, and which of its places."""
    tree, skipped, found = parso.parse(source), annotations(source), []

    def walk(node: parso.tree.NodeOrLeaf) -> list[parso.tree.NodeOrLeaf]:
        children = getattr(node, "children", [])
        return [node, *(leaf for child in children for leaf in walk(child))]

    nodes = walk(tree)
    for name in OPERATORS:
        operator = get_operator(f"core/{name}")()
        places = [place for node in nodes for place in operator.mutation_positions(node)]
        found += [
            (start[0], name, occurrence)
            for occurrence, (start, _) in enumerate(places)
            if start not in skipped
        ]
    return found


class Mutated(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports one module from a text."""

    def __init__(self, name: str, path: Path, source: str) -> None:
        self.name, self.path, self.source = name, path, source

    def find_spec(self, name: str, path: object, target: object = None) -> ModuleSpec | None:
        if name != self.name:
            return None
        return importlib.util.spec_from_file_location(name, self.path, loader=self)

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self.source, str(self.path), "exec"), module.__dict__)


def run(name: str, path: Path, source: str, limit: float) -> tuple[str, float]:
    """Run the tests in a child with this source: what came of it, and seconds of processor."""
    import pytest

    child = os.fork()
    if child == 0:
        resource.setrlimit(resource.RLIMIT_CPU, (int(limit), int(limit)))
        resource.setrlimit(resource.RLIMIT_AS, (1 << 32, 1 << 32))
        silent = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silent, 1)
        os.dup2(silent, 2)
        sys.meta_path.insert(0, Mutated(f"hermiteflow.{name}", path, source))
        places = [test.partition("::") for test in TESTS[name].split()]
        files = [f"{ROOT}/tests/python/{file}.py{colons}{one}" for file, colons, one in places]
        code = pytest.main(["-x", "-q", "-p", "no:cacheprovider", "-k", SLOW, *files])
        os._exit(0 if code == 0 else 1)
    _, status, usage = os.wait4(child, 0)
    spent = usage.ru_utime + usage.ru_stime
    if os.WIFSIGNALED(status):
        return "stopped", spent  # by a limit, or a crash
    return ("killed" if status else "survived"), spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("module", choices=TESTS)
    parser.add_argument("--sample", type=int, help="so many of the faults, drawn at random")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--lines", help="FIRST-LAST: faults of these lines only")
    options = parser.parse_args()
    for heavy in ("scipy.stats", "scipy.integrate", "scipy.optimize", "mpmath", "xarray", "pytest"):
        importlib.import_module(heavy)  # once, before the children; never the package itself
    name = options.module
    path = ROOT / "python" / "hermiteflow" / f"{name.replace('.', '/')}.py"
    source = path.read_text(encoding="utf-8")
    verdict, spent = run(name, path, source, 3600.0)
    if verdict != "survived":
        sys.exit(f"the tests of {name} fail without a fault")
    print(f"{spent:.1f} s of processor for a survivor", flush=True)
    every = mutants(source)
    if options.lines:
        first, last = map(int, options.lines.split("-"))
        every = [mutant for mutant in every if first <= mutant[0] <= last]
    chosen = every
    if options.sample and options.sample < len(every):
        chosen = sorted(random.Random(options.seed).sample(every, options.sample))
    counts = {"killed": 0, "survived": 0, "stopped": 0}
    for line, operator, occurrence in chosen:
        changed = mutate_code(source, get_operator(f"core/{operator}")(), occurrence)
        verdict, _ = run(name, path, changed, 5.0 + 1.5 * spent)
        counts[verdict] += 1
        if verdict != "killed":
            pairs = zip(source.splitlines(), changed.splitlines(), strict=False)
            new = next((b.strip() for a, b in pairs if a != b), "")
            print(f"{verdict}: line {line}, {operator}: {new}", flush=True)
    seen = counts["killed"] + counts["stopped"]
    print(f"{name}: {seen} of {len(chosen)} killed (of {len(every)} faults), {counts}", flush=True)


if __name__ == "__main__":
    main()
