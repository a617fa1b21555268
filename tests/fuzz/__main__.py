"""Run random cases by seed, and print those that were wrong without a warning.

python -m tests.fuzz clouds graphs layer --seeds 0 20000
"""

import argparse
import time
from collections import defaultdict

import numpy as np

from .cases import cloud_case, graph_case
from .compare import compare_cloud, compare_graph


def main():
    """Run the cases of the command line; the exit status is the number of faults."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("what", nargs="*", choices=["clouds", "graphs", "layer"])
    parser.add_argument("--seeds", nargs=2, type=int, default=[0, 1000], metavar=("FIRST", "END"))
    options = parser.parse_args()
    faults = 0
    for what in options.what or ["clouds", "graphs"]:
        begun = time.perf_counter()
        outcomes = defaultdict(list)
        for seed in range(*options.seeds):
            for outcome in _outcomes(what, seed):
                outcomes[outcome.kind, outcome.allowed].append(outcome)
                if outcome.wrong:
                    faults += 1
                    print(f"{what}, seed {seed}: {outcome}", flush=True)
        for (kind, allowed), found in sorted(outcomes.items()):
            silent = [outcome.error for outcome in found if not outcome.warned]
            wrong = sum(outcome.wrong for outcome in found)
            print(
                f"{what}, {kind}: {len(found)} cases, {len(found) - len(silent)} warned of; of the "
                f"rest the largest error is {np.max(silent, initial=0):.1e}, {wrong} are above "
                f"{allowed:g}",
                flush=True,
            )
        print(f"{what}: {time.perf_counter() - begun:.0f} s", flush=True)
    raise SystemExit(min(faults, 99))


def _outcomes(what, seed):
    """The outcomes of a seed."""
    if what == "clouds":
        return [compare_cloud(cloud_case(seed))]
    if what == "graphs":
        return [compare_graph(graph_case(seed), tol) for tol in (1e-6, 1e-12)]
    from .layer import compare_layer  # needs torch

    return compare_layer(cloud_case(seed))


if __name__ == "__main__":
    main()
