"""Tests of the checkout itself, not of the package: never copied away from it."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1]))  # scripts that CI runs
