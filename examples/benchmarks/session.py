"""
A labelling session: 100,000 rows, from no label on, ten labels a round
=======================================================================

MNIST's 70,000 images, and 30,000 copies of training images shifted by one pixel, which makes them
distinct rows. The graph is built once, without a label. In each round, ``suggest_labels(10)``
selects ten rows, these get their labels, and ``relabel`` extends all labels again. For comparison:
ten random rows a round, five of each kind, and logistic regression on the same labels. Writes
``docs/benchmarks/session.md`` and two pictures in ``docs/_static``. MNIST is read from
``--data-home`` or the folder in the environment variable ``SKLEARN_WNLL_DATA``. Takes half an hour
on one core; finished sessions are stored in ``--results`` and are not repeated.
"""

import argparse
import json
import sys
import time
import warnings
from functools import cached_property
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import LogisticRegression

sys.path.insert(0, str(Path(__file__).parent))
from measure import PAGES, machine, measured, table, write_page
from readers import load_mnist

from sklearn_wnll import WNLLClassifier
from sklearn_wnll.plotting import LabelingDisplay

N_COPIES = 30_000
SHIFTS = (0, 1), (0, -1), (1, 0), (-1, 0)
ROUNDS, BATCH = 30, 10
LOOK_EVERY = 2  # rounds between held-out labels, for the display
FRESH_EVERY = 10  # rounds between comparisons with a fresh fit
GOAL = 95
MORE = 100  # labels at random a round, from the 30th round on, until the goal is reached
MOST = 2000
MANY = 10_000  # labels for logistic regression
SHOWN = 10, 20, 30, 50, 100, 150, 200, 300
WAYS = "suggest_labels", "half of each", "random"
COLORS = dict(zip(WAYS, ("#0072B2", "#009E73", "#D55E00"), strict=True))


def load_rows(data_home):
    """Load 100,000 images as rows of pixels, and their digits."""
    X, y = load_mnist(data_home=data_home, return_X_y=True)
    rng = np.random.RandomState(0)
    chosen = rng.choice(60_000, N_COPIES, replace=False)
    shifts = rng.randint(len(SHIFTS), size=N_COPIES)
    images = X.reshape(-1, 28, 28)
    copies = [
        np.roll(images[i], SHIFTS[shift], axis=(0, 1))
        for i, shift in zip(chosen, shifts, strict=True)
    ]
    X = np.concatenate([images, copies]).reshape(-1, 784).astype(np.float32)
    return X, np.concatenate([y, y[chosen]]).astype(int)


def timed(function, *arguments):
    """Return the result and the CPU seconds of a call."""
    start = time.process_time()
    result = function(*arguments)
    return result, time.process_time() - start


class Session:
    """The rows, the model on their graph, and the labels so far."""

    def __init__(self, data_home):
        self.data_home = data_home

    @cached_property
    def data(self):
        """Rows and labels."""
        return load_rows(self.data_home)

    @cached_property
    def fitted(self):
        """The model without a label, and the seconds of its fit."""
        X, y = self.data
        model = WNLLClassifier(random_state=0)
        return timed(model.fit, X, np.full(len(y), -1))

    def run(self, way, seed):
        """Run a session; return the measurements of each round."""
        y, (model, seconds) = self.data[1], self.fitted
        few, rng = np.full(len(y), -1), np.random.RandomState(seed)
        model.relabel(few)
        display, rounds, drawn = LabelingDisplay(), [], []
        while not is_over(way, rounds):
            n = BATCH if len(rounds) < ROUNDS else MORE
            n_drawn = {"suggest_labels": 0, "half of each": n // 2, "random": n}[way]
            suggested, asking = np.zeros(0, dtype=int), 0.0
            if n_drawn < n:
                suggested, asking = timed(model.suggest_labels, n - n_drawn)
                few[suggested] = y[suggested]
            drawn.extend(rng.choice(np.flatnonzero(few == -1), n_drawn, replace=False))
            few[drawn] = y[drawn]
            model, relabeling = timed(model.relabel, few)
            rounds.append(
                {
                    "labels": int((few != -1).sum()),
                    "suggest": asking,
                    "relabel": relabeling,
                    "accuracy": percent((model.transduction_ == y)[few == -1]),
                    "regression": self.regression(few),
                }
            )
            if way != "random" and len(rounds) % LOOK_EVERY == 0:
                rounds[-1]["look"] = self.look(model, few, display, drawn or None)
            if way != "random" and len(rounds) % FRESH_EVERY == 0:
                rounds[-1] |= self.compare(model, few)
            print(f"{way}, {seed}: {rounds[-1]}", flush=True)
        return {"fit": seconds, "rounds": rounds, "history": display.history}

    def regression(self, few):
        """Measure the accuracy of logistic regression on the unlabelled rows."""
        X, y = self.data
        labeled = few != -1
        if len(np.unique(few[labeled])) < 2:
            return percent((y == few[labeled][0])[~labeled])
        model = LogisticRegression(max_iter=1000).fit(X[labeled] / 255, few[labeled])
        return percent(model.predict(X[~labeled] / 255) == y[~labeled])

    def look(self, model, few, display, scored):
        """Hold labels out in this round, for the display; return the seconds."""
        model.set_params(held_out=5, calibrate=True)
        _, seconds = timed(model.relabel, few)
        display.add(model, few, scored_rows=scored)
        model.set_params(held_out=None, calibrate=False).relabel(few)
        return seconds

    def compare(self, model, few):
        """Compare with a fit of all rows with the same labels."""
        fresh, seconds = timed(WNLLClassifier(random_state=0).fit, self.data[0], few)
        equal = percent(fresh.transduction_ == model.transduction_)
        gap = np.abs(fresh.label_distributions_ - model.label_distributions_).max()
        return {"fresh": seconds, "equal": equal, "gap": float(gap)}

    def many_labels(self):
        """Measure the accuracy of logistic regression with many labels, drawn at random."""
        y = self.data[1]
        rows = np.random.RandomState(0).choice(len(y), MANY, replace=False)
        few = np.full(len(y), -1)
        few[rows] = y[rows]
        return self.regression(few)


def percent(right):
    """Compute the share of rows in percent."""
    return 100 * float(np.mean(right))


def column(session, key):
    """Collect a number of the rounds that have it, by number of labels."""
    return {one["labels"]: one[key] for one in session["rounds"] if key in one}


def is_over(way, rounds):
    """Return whether no more labels are needed."""
    if len(rounds) < ROUNDS:
        return False
    return way != "random" or rounds[-1]["accuracy"] >= GOAL or rounds[-1]["labels"] >= MOST


def labels_needed(session, key):
    """Find the number of labels at which the goal is first reached."""
    found = [labels for labels, value in column(session, key).items() if value >= GOAL]
    return str(found[0]) if found else f"more than {session['rounds'][-1]['labels']}"


def accuracy_section(sessions, many):
    """Make the section of accuracy against the number of labels."""
    rows = []
    names = {"accuracy": "WNLLClassifier", "regression": "logistic regression"}
    for key, name in names.items():
        for way in WAYS:
            found = [column(session, key) for session in sessions[way]]
            needed = dict.fromkeys(labels_needed(session, key) for session in sessions[way])
            means = [f"{np.mean([each[n] for each in found]):.1f}" for n in SHOWN]
            runs = f"{len(found)} run{'s' * (len(found) > 1)}"
            rows.append([name, f"{way} ({runs})", *means, ", ".join(needed)])
    header = ["model", "labels", *(f"{n} labels" for n in SHOWN), f"labels for {GOAL} %"]
    return (
        f"## From no label to {GOAL} %\n\n"
        "Accuracy in % on the rows without a label; for random labels, the mean. Half of each: "
        "five suggested rows and five at random a round. With random labels, logistic regression "
        f"reaches {many:.1f} % from {MANY:,} of them.\n\n{table(header, rows)}\n\n{measured()}"
    )


def seconds_section(session):
    """Make the section of the seconds of a round's steps."""
    rounds = session["rounds"]
    rows = [["fit without a label", f"{session['fit']:.1f}", "", ""]]
    rows.append(["suggest ten rows before the first label", f"{rounds[0]['suggest']:.1f}", "", ""])
    steps = {
        "suggest ten rows": [one["suggest"] for one in rounds[1:]],
        "relabel": [one["relabel"] for one in rounds],
        "relabel with held_out=5, calibrate=True": list(column(session, "look").values()),
        "fit of all rows with the same labels": list(column(session, "fresh").values()),
    }
    for name, seconds in steps.items():
        values = np.median(seconds), min(seconds), max(seconds)
        rows.append([name, *(f"{value:.1f}" for value in values)])
    header = ["step", "median", "least", "most"]
    text = "On one core, over the rounds of one session."
    return f"## Seconds of a step\n\n{text}\n\n{table(header, rows)}\n\n{measured()}"


def fresh_section(session):
    """Make the section of rounds compared with a fresh fit."""
    rows = [
        [str(one["labels"]), f"{one['equal']:.3f}", f"{one['gap']:.1e}"]
        for one in session["rounds"]
        if "equal" in one
    ]
    header = ["labels", "equal predictions, %", "largest difference of a probability"]
    picture = "![Seconds of each round, and accuracy](../_static/session.png)"
    return f"## Beside a fresh fit\n\n{table(header, rows)}\n\n{picture}\n\n{measured()}"


def display_section(sessions):
    """Make the section on the display."""
    rows = []
    for labels in (20, 60, *SHOWN[4:]):
        cells = [str(labels)]
        for way in WAYS[:2]:
            (session,) = sessions[way]
            seen = {row["n_labels"]: row for row in session["history"]}
            if row := seen.get(labels):
                score, accuracy = 100 * row["score"], column(session, "accuracy")[labels]
                cells += [f"{accuracy:.1f}", f"{score:.1f}", f"{row['gain']:.1f}"]
        if len(cells) > 1:
            rows.append(cells)
    figures = "accuracy, %", "score on held-out labels, %", "rows that a label settles"
    header = ["labels", *(f"{figure}: {way}" for way in WAYS[:2] for figure in figures)]
    return (
        "## When to stop\n\nThe figures that a `LabelingDisplay` draws, with `held_out=5, "
        "calibrate=True`, from one session each. With half of each, the score is that of the "
        f"random rows; otherwise, of all labelled ones.\n\n{table(header, rows)}\n\n"
        "![The display of half of each](../_static/session_display.png)"
        f"\n\n{measured()}"
    )


def draw(sessions):
    """Draw seconds of each round, accuracy against labels, and the display of a session."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
    (suggested,) = sessions["suggest_labels"]
    parts = ("suggest", "o-", "suggest"), ("relabel", "s-", "relabel"), ("fresh", "k^", "new fit")
    for key, look, name in parts:
        found = column(suggested, key)
        left.plot(list(found), list(found.values()), look, ms=4, label=name)
    left.set(xlabel="labels", ylabel="seconds of one core", ylim=(0, None))
    left.legend()
    for way in WAYS:
        for key, model, line in (("accuracy", "WNLL", "-"), ("regression", "regression", ":")):
            for place, session in enumerate(sessions[way]):
                found = {n: x for n, x in column(session, key).items() if n <= ROUNDS * BATCH}
                name = None if place else f"{model}, {way}"
                right.plot(list(found), list(found.values()), line, color=COLORS[way], label=name)
    right.axhline(GOAL, color="0.5", linewidth=1)
    right.set(xlabel="labels", ylabel="accuracy on rows without a label, %", ylim=(40, 100))
    right.legend(fontsize="small")
    figure.savefig(PAGES.parent / "_static" / "session.png", dpi=110)
    (half,) = sessions["half of each"]
    display = LabelingDisplay(half["history"]).plot()
    display.figure_.savefig(PAGES.parent / "_static" / "session_display.png", dpi=110)


def main():
    """Run the unfinished parts, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[1])
    parser.add_argument("--draws", type=int, default=3, help="sessions with random labels")
    parser.add_argument("--data-home", help="folder of the MNIST data")
    parser.add_argument("--results", default="session_results", help="finished sessions")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    session, folder = Session(args.data_home), Path(args.results)
    folder.mkdir(parents=True, exist_ok=True)

    def known(name, run, *arguments):
        path = folder / f"{name}.json"
        if not path.exists():
            path.write_text(json.dumps(run(*arguments)))
        return json.loads(path.read_text())

    draws = {"suggest_labels": 1, "half of each": 1, "random": args.draws}
    sessions = {
        way: [
            known(f"{way.replace(' ', '-')}-{seed}", session.run, way, seed)
            for seed in range(draws[way])
        ]
        for way in WAYS
    }
    many = known("many_labels", session.many_labels)
    draw(sessions)
    sections = [
        accuracy_section(sessions, many),
        seconds_section(*sessions["suggest_labels"]),
        display_section(sessions),
    ]
    notes = [fresh_section(*sessions["suggest_labels"])]
    write_page("session.md", HEAD.format(machine=machine()), sections, notes=notes)


HEAD = """\
# A labelling session

The graph of 100,000 rows is built once, without a label. Each round asks for ten rows with
`suggest_labels(10)`, and passes their labels to `relabel`. `WNLLClassifier` has default options.

## How it was measured

The rows are the 70,000 images of MNIST as pixels, and 30,000 copies of training images that are
shifted by one pixel to one of four sides, so no two rows are equal. From 300 random labels on,
100 more are drawn at a time. Seconds are processor time on one core.

Command: `OMP_NUM_THREADS=1 python examples/benchmarks/session.py`.
{machine}
"""

if __name__ == "__main__":
    main()
