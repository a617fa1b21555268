"""
The page of gpu.py, written from all stored results
===================================================
"""

import json

import numpy as np
from few_labels import KEY, section
from gpu_checks import CHECKS
from gpu_speed import IMAGES, SPEED
from measure import shown, table, write_page
from pictures import DOCS
from trainings import dates, grouped_results

METHODS = "WNLL", "softmax self-training", "vanilla, same updates"
LABELS, OTHERS, GOAL = 1000, 49_000, 20  # errors in % by WNLL


def stored(folder):
    """Read the results of a folder by name."""
    found = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    return {result["name"]: result for result in found}


def brief(error):
    """Shorten an error to its first line, for a cell of a table."""
    line = error.splitlines()[0].replace("|", "/")
    return line if len(line) <= 160 else f"{line[:157]}..."


def measured_on(results):
    """Return the device and the days of results."""
    if not results:
        return ""
    return f"Measured on {dates(results)}, {' and '.join(sorted({one['on'] for one in results}))}."


def outcome(result):
    """Return the cells of a check: whether it passed, and its figure."""
    if result is None:
        return ["not run", ""]
    if "error" in result:
        return ["failed", brief(result["error"])]
    return ["passed" if result["passed"] else "**failed**", result["figure"]]


def checks_section(found):
    """Make the table of the checks."""
    rows = [[item.name, *outcome(found.get(item.name))] for item in CHECKS]
    return (
        "## Checks\n\nTensors on the GPU and arrays on the host, and a network's graph in both "
        "places, may differ by 1e-6 in a probability: the figure is the largest difference. The "
        f"other figures say what they count.\n\n{table(['check', 'result', 'figure'], rows)}\n\n"
        f"{measured_on(list(found.values()))}"
    )


def number(value, unit):
    """Format seconds, or images per second."""
    return f"{value:,.0f} {unit}" if unit == IMAGES else f"{value:.3g} {unit}"


def met(result):
    """Return whether a measurement reaches its goal."""
    value, goal = result["value"], result["goal"]
    return value >= goal if result["unit"] == IMAGES else value <= goal


def speed_section(found):
    """Make the table of times."""
    rows, failures = [], []
    for item in SPEED:
        result = found.get(item.name)
        name, _, options = item.name.partition("; ")
        if result is None or "error" in result:
            error = "not run" if result is None else brief(result["error"])
            failures.append(f"- {item.name}: {error}")
        else:
            shown_numbers = [number(result[key], result["unit"]) for key in ("value", "goal")]
            rows.append([name, options, *shown_numbers, "yes" if met(result) else "no"])
    header = ["operation", "options", "median", "goal", "reached"]
    missing = "\n\nNot measured:\n\n" + "\n".join(failures) if failures else ""
    return (
        "## Time\n\nNetworks are ResNet-20 in single precision, and not compiled, unless the "
        f"options say otherwise.\n\n{table(header, rows)}{missing}\n\n"
        f"{measured_on(list(found.values()))}"
    )


def training_sections(folder):
    """Make the tables of the trainings, as those of few_labels.py."""
    sections = []
    for key, results in grouped_results(folder, KEY):
        missing = [name for name in METHODS if name not in {one["method"] for one in results}]
        text = section(key, results)
        if missing:
            text += f"\n\nNot trained, or not to the end: {'; '.join(missing)}."
        sections.append(text)
    failures = [json.loads(path.read_text()) for path in sorted(folder.glob("*/error.json"))]
    if failures:
        lines = "\n".join(f"- {brief(failure['error'])}" for failure in failures)
        sections.append(f"## Trainings that failed\n\n{lines}")
    return sections


def errors_left(folder):
    """Sum up the longest trainings by WNLL on all images."""
    found = dict(grouped_results(folder, ("labels", "unlabeled", "pseudo_epochs", "method")))
    longest = max((key for key in found if key[:2] == (LABELS, OTHERS) and key[3] == "WNLL"),
                  default=None)  # fmt: skip
    if longest is None:
        return ""
    results = found[longest]
    minutes = np.median([one["minutes"] for one in results])
    return (
        f" With {LABELS:,} labelled images of CIFAR-10 and all others, WNLL leaves "
        f"{shown([one['wnll'] for one in results])} % errors after {minutes:.0f} minutes "
        f"(goal: {GOAL} %)."
    )


def takeaway(checks, speed, folder):
    """Sum up what has been measured."""
    names = sorted({one["on"] for one in (*checks.values(), *speed.values())})
    parts = []
    if checks:
        n_passed = sum(bool(one.get("passed")) for one in checks.values())
        parts.append(f"{n_passed} of {len(checks)} checks pass")
    timed = [one for one in speed.values() if "value" in one]
    if timed:
        # An operation reaches its goal if it does so with some options.
        best = {}
        for one in timed:
            name = one["name"].partition("; ")[0]
            best[name] = best.get(name, False) or met(one)
        parts.append(f"{sum(best.values())} of {len(best)} operations reach their goal of time")
    text = f"On {' and '.join(names)}, {', and '.join(parts)}." if parts else ""
    text = (text + errors_left(folder)).strip()
    return f"**{text}**" if text else ""


def write(results, docs=DOCS):
    """Write the page from whatever has finished."""
    checks, speed = stored(results / "checks"), stored(results / "speed")
    sections = [checks_section(checks)] if checks else []
    sections += training_sections(results / "training")
    if not (sections or speed):
        print("Nothing has been measured, so there is no page.")
        return
    sections.insert(len(checks) > 0, speed_section(speed))  # has the numbers of the picture
    trained = [one for _, ones in grouped_results(results / "training", ()) for one in ones]
    found = (*checks.values(), *speed.values(), *trained)
    machines = sorted({one["machine"] for one in found})
    head = HEAD.format(machine="\n".join(machines))
    (docs / "benchmarks" / "gpu.md").unlink(missing_ok=True)  # it has no section of its own
    summary = takeaway(checks, speed, results / "training")
    write_page("gpu.md", head, sections, takeaway=summary, docs=docs)


HEAD = """\
# On a GPU

Rows and images are on the GPU, or go there once. The first table checks that results are those of
the host and can be repeated. The second has the time of each operation beside its goal. The others
are of trainings on few labelled images and all others of CIFAR-10.

## How it was measured

Fits and predictions are repeated after one to warm up, and the GPU is waited for before the watch
is read. Two million rows are fitted once, after a tenth of them. Epochs are those of a training
without the first, pseudo-labels included. Of all, the median is shown. Networks are trained on
1,000 labelled images and the number of others that the row names. The largest memory on the GPU
and all repetitions are in the stored results.

The trainings on CIFAR-10 are those of [few labels](few_labels.md), with a larger network and more
epochs. *Vanilla, same updates* learns from the labelled images alone, in as many batches and with
the same augmentation as the other two; the unlabelled images are only points of its WNLL head's
graph. The test images are predicted once, by the last epoch.

Command: `python examples/benchmarks/gpu.py --data-home DATA`, again until everything is finished.
{machine}
"""
