"""Random cases by seed, compared with a dense reference: ``python -m tests.fuzz --help``."""
