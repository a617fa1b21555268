"""Checks in separate environments: ``nox -l`` lists them, ``nox -s lint`` runs one."""

import nox

nox.needs_version = ">=2024.4.15"
PYTHONS = "3.11", "3.12", "3.13"


@nox.session(python=PYTHONS)
def tests(session):
    """Run the quick tests, or selected ones: ``nox -s tests-3.12 -- tests/test_labels.py``."""
    session.install("-c", "constraints.txt", "-e", ".[test]")
    session.run("python", "-m", "pytest", *(session.posargs or ["-m", "not slow"]))


@nox.session(python=PYTHONS[0])
def oldest(session):
    """Run the quick tests with the oldest supported versions."""
    session.install("-c", "constraints-oldest.txt", "-e", ".[test]")
    options = ["-m", "not slow", "--oldest", "--hypothesis-profile=few"]
    session.run("python", "-m", "pytest", *options, *(session.posargs or ["tests"]))


@nox.session(python=PYTHONS[0])
def lint(session):
    """Check style, types, and the imports between modules."""
    session.install("-c", "constraints.txt", "-e", ".[test]")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")
    session.run("lint-imports")


@nox.session(python=PYTHONS[0])
def docs(session):
    """Build the documentation, without running the gallery's examples."""
    session.install("-c", "constraints.txt", "-e", ".[docs]")
    options = ["-W", "--keep-going", "-n", "-D", "plot_gallery=0"]
    session.run("python", "-m", "sphinx", *options, "docs", "docs/_build/html")


@nox.session(python=False)
def archives(session):
    """Build the archives of a release, check them and test the wheel."""
    session.run(".ci/archives", *session.posargs)
