"""
Accuracy and seconds of methods, kept in a folder
=================================================

Known results are not measured again. Each method has a file: delete it to measure the method again.
"""

import argparse
import json
import re
import time
from pathlib import Path

import numpy as np


def parse_options(description, *, data, methods, draws, results):
    """Read the options of a script: data sets, methods, draws, and the folders."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--data", nargs="+", choices=data, default=list(data))
    parser.add_argument(
        "--methods", nargs="+", choices=methods, default=list(methods), metavar="METHOD"
    )
    parser.add_argument("--draws", type=int, default=draws)
    parser.add_argument("--data-home", help="folder of the data")
    parser.add_argument("--results", default=results, help="folder of finished draws")
    return parser.parse_args()


class Cells:
    """Results by method and cell: for example a data set, a number of labels and a draw."""

    def __init__(self, folder):
        self.folder = Path(folder)
        self.found = {}

    def path(self, method):
        """Return the file of a method, with a line for each cell."""
        return self.folder / f"{re.sub(r'[^A-Za-z0-9_]+', '-', method).strip('-')}.jsonl"

    def of(self, method):
        """Return the known results of a method by cell."""
        if method not in self.found:
            path = self.path(method)
            lines = path.read_text().splitlines() if path.exists() else []
            self.found[method] = {tuple(cell): result for cell, result in map(json.loads, lines)}
        return self.found[method]

    def measured(self, method, cell, run):
        """Return the result of a method in a cell; ``run()`` measures it if it is unknown."""
        known = self.of(method)
        if cell not in known:
            known[cell] = run()
            self.folder.mkdir(parents=True, exist_ok=True)
            with self.path(method).open("a") as file:
                file.write(json.dumps([cell, known[cell]]) + "\n")
        return known[cell]

    def complete(self, method, cell, predict, y, few):
        """Return accuracy on the hidden rows in percent, and CPU seconds of a prediction."""

        def run():
            start = time.process_time()
            predicted = predict()
            seconds = time.process_time() - start
            return [100 * float(np.mean((predicted == y)[few == -1])), seconds]

        return self.measured(method, cell, run)
