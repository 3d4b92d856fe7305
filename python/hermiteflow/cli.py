"""Command line: ``hermiteflow reproduce``, ``run``, ``landscape``, ``info``."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Sequence

import hermiteflow as hf

from . import _info, _landscape_command, _reproduce_command, _run_command
from ._reproduce_command import EXTRA
from ._usage import Parser, UsageError, need

__all__ = ["main"]

_COMPLETION_HELP = """\
Print a script that completes commands and options, for example

  hermiteflow completion bash > ~/.local/share/bash-completion/completions/hermiteflow
  hermiteflow completion zsh > ~/.zfunc/_hermiteflow
  hermiteflow completion fish > ~/.config/fish/completions/hermiteflow.fish
"""
_EXAMPLES = """\
examples:
  hermiteflow reproduce --quick                   under a minute, into ./hermiteflow-reproduce
  hermiteflow reproduce --out results --seed 7    the full run, other random numbers
  hermiteflow landscape --k 10 --p 3              every fixed point, and a figure over beta
  hermiteflow run coverage --k 5 20 --out c.nc    one experiment of one's own
  hermiteflow info                                versions, build, what is installed

exit status:
  0  done    1  a claim of reproduce does not hold    2  bad usage, or a file that cannot be written
  3  a defect of hermiteflow (--debug shows where)    130  Ctrl-C    141  a closed pipe
"""


def _parser(*, whole: bool = False) -> argparse.ArgumentParser:
    """Return the parser; `whole` with the options of ``run``, which take long to import."""
    form = argparse.RawDescriptionHelpFormatter
    parser = Parser(
        prog="hermiteflow",
        description="Gradient flow of two-layer networks on Gaussian multi-index models.",
        epilog=_EXAMPLES,
        formatter_class=form,
    )
    parser.add_argument(
        "--debug", action="store_true", help="show where an error comes from, with any command"
    )
    parser.add_argument("--version", action="version", version=f"hermiteflow {hf.__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _reproduce_command.add_parser(commands)
    run = commands.add_parser("run", help="run one experiment, from options or a TOML file")
    if whole:
        _run_command.add_options(run)
    _landscape_command.add_parser(commands)
    completion = commands.add_parser(
        "completion",
        help="print a script that completes commands and options in a shell",
        description=_COMPLETION_HELP,
        formatter_class=form,
    )
    completion.add_argument("shell", choices=("bash", "zsh", "tcsh", "fish"))
    _info.add_parser(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments; those of the process by default.

    Returns
    -------
    int
        Exit status: 0; 1 if a claim does not hold, 2 for bad usage, 3 for a defect of the
        package, 130 for Ctrl-C, 141 for a closed pipe.
    """
    given = list(sys.argv[1:] if argv is None else argv)
    arguments = [argument for argument in given if argument != "--debug"]
    try:
        if arguments[:1] == ["run"]:  # its options need the experiments
            return _run_command.run(arguments[1:])
        options = _parser().parse_args(arguments)
        if options.command == "info":
            return _info.run(options)
        if options.command == "completion":
            need("completion", ("shtab", *EXTRA))
            import shtab

            print(shtab.complete(_parser(whole=True), shell=options.shell))
            return 0
        if options.command == "landscape":
            return _landscape_command.run(options)
        return _reproduce_command.run(options)
    except UsageError as error:
        if len(arguments) < len(given):
            traceback.print_exc()
        print(f"hermiteflow: error: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # of `| head`; nothing more can be told there
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt:
        print("hermiteflow: interrupted", file=sys.stderr)
        return 130
    except Exception as error:  # of a defect here: one line, unless asked for more
        if len(arguments) < len(given):
            traceback.print_exc()
        text = " ".join(str(error).split())
        print(f"hermiteflow: {type(error).__name__}: {text} (--debug shows where)", file=sys.stderr)
        return 3


if __name__ == "__main__":
    sys.exit(main())
