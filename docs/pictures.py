"""Run scripts of the gallery and store their pictures: ``python docs/pictures.py spikes scaling``.

Names are those of scripts without ``plot_``; without names, all scripts are run. The figures of
``examples/plot_NAME.py`` are stored as ``docs/_static/gallery/NAME_1.png``, ``NAME_2.png``, ...
``NAME.json`` holds the date and, for each block that drew or printed something, the titles of its
figures and the text. The pages of the gallery show both if the documentation is built with
``-D plot_gallery=0``.
"""

import argparse
import contextlib
import datetime
import io
import json
import os
import sys
import time
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from PIL import Image
from sphinx_gallery.py_source_parser import split_code_and_text_blocks

DOCS = Path(__file__).resolve().parent
EXAMPLES = DOCS.parent / "examples"
STORE = DOCS / "_static" / "gallery"
DPI = 120


def run_script(script):
    """Run a script block by block; yield each block's number, figures and printed text."""
    _, blocks = split_code_and_text_blocks(script)
    plt.close("all")
    plt.rcdefaults()
    plt.show = lambda *args, **kwargs: None
    names = {"__name__": "__main__", "__doc__": ""}
    for number, block in enumerate(blocks):
        if block.type == "code":
            printed = io.StringIO()
            code = compile("\n" * (block.lineno - 1) + block.content, str(script), "exec")
            with contextlib.redirect_stdout(printed):
                exec(code, names)
            yield number, [plt.figure(n) for n in plt.get_fignums()], printed.getvalue().rstrip()
            plt.close("all")


def titles(figure):
    """Join the titles of a figure and of its axes in one line."""
    parts = [figure.get_suptitle(), *(ax.get_title() for ax in figure.axes)]
    return ", ".join(" ".join(part.split()) for part in dict.fromkeys(parts) if part)


def save_figure(figure, path):
    """Save a figure with 256 colours, which halves the file."""
    picture = io.BytesIO()
    figure.savefig(picture, dpi=DPI)
    colors = Image.open(picture).convert("RGB").quantize(256, dither=Image.Dither.NONE)
    colors.save(path, optimize=True)


def store(name):
    """Run a script and replace its stored output."""
    script, start, n_pictures, record = EXAMPLES / f"plot_{name}.py", time.process_time(), 0, {}
    before = set(STORE.glob(f"{name}_[0-9]*.png"))
    for number, figures, printed in run_script(script):
        for figure in figures:
            n_pictures += 1
            path = STORE / f"{name}_{n_pictures}.png"
            save_figure(figure, path)
            before.discard(path)
            print(f"{path.relative_to(DOCS.parent)}: {path.stat().st_size / 1000:.0f} kB")
        if figures or printed:
            record[number] = {"figures": [titles(figure) for figure in figures], "text": printed}
    for path in before:
        path.unlink()
    day = datetime.date.today().isoformat()
    text = json.dumps({"day": day, "blocks": record}, indent=1, ensure_ascii=False)
    (STORE / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    print(f"{script.name}: {time.process_time() - start:.0f} s of processor time")


def main():
    """Store the pictures of the named scripts."""
    every = sorted(path.stem.removeprefix("plot_") for path in EXAMPLES.glob("plot_*.py"))
    parser = argparse.ArgumentParser(description="Store the pictures of the gallery.")
    parser.add_argument("names", nargs="*", help="scripts, without plot_ (default: all)")
    args = parser.parse_args()
    if unknown := set(args.names) - set(every):
        parser.error(f"no such script: {', '.join(sorted(unknown))}. There are: {', '.join(every)}")
    STORE.mkdir(exist_ok=True)
    os.chdir(EXAMPLES)
    sys.path.insert(0, str(EXAMPLES))
    for name in args.names or every:
        store(name)


if __name__ == "__main__":
    main()
