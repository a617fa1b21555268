"""Random cases, by seed, against a dense reference: ``python -m tests.fuzz --help``."""
