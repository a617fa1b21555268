import re
from pathlib import Path

import headline

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def test_accuracies_in_the_readme_are_those_that_the_headline_check_compares_with():
    page = (ROOT / "docs" / "benchmarks" / "embeddings.md").read_text().replace("**", "")
    for recorded in headline.RECORDED["20 newsgroups"].values():
        means = [f"{mean:.1f}" for mean, _ in headline.numbers(recorded)]
        assert f"| {' | '.join(means)} |" in README
        assert f"| {' | '.join(recorded.split(', '))} |" in page


def test_errors_of_networks_in_the_readme_are_those_that_the_headline_check_lists():
    listed = [one for recorded in headline.NETWORKS.values() for one in recorded.split(", ")]
    assert re.findall(r"\d+\.\d ± \d+\.\d", README) == listed
