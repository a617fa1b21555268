import pytest

from .cases import CLOUDS, GRAPHS, cloud_case, graph_case
from .compare import compare_cloud, compare_graph


@pytest.mark.parametrize("seeds", [range(i, i + 50) for i in range(0, 300, 50)], ids=str)
def test_no_cloud_gets_a_wrong_number_in_silence(seeds):
    outcomes = [compare_cloud(cloud_case(seed)) for seed in seeds]
    assert not [outcome for outcome in outcomes if outcome.wrong]
    assert not [outcome for outcome in outcomes if outcome.warned]
    assert {outcome.kind for outcome in outcomes} == set(CLOUDS)


@pytest.mark.parametrize("tol", [1e-6, 1e-12])
def test_no_graph_gets_a_wrong_number_in_silence(tol):
    outcomes = [compare_graph(graph_case(seed), tol) for seed in range(150)]
    assert not [outcome for outcome in outcomes if outcome.wrong]
    # Where all paths to a label begin with an edge of 1e-12, double precision may be too little.
    assert {outcome.kind for outcome in outcomes if outcome.warned} <= {"star of paths"}
    assert {outcome.kind for outcome in outcomes} == set(GRAPHS)
