import pytest

from ..fuzz.cases import CLOUDS, cloud_case
from ..fuzz.layer import compare_layer


@pytest.mark.parametrize("seeds", [range(i, i + 50) for i in range(0, 100, 50)], ids=str)
def test_the_layer_gives_no_wrong_number_in_silence(seeds):
    outcomes = [outcome for seed in seeds for outcome in compare_layer(cloud_case(seed))]
    assert not [outcome for outcome in outcomes if outcome.wrong]
    assert not [outcome for outcome in outcomes if outcome.warned]
    assert {outcome.kind for outcome in outcomes} == set(CLOUDS)
