import pytest

from cuda_convnet.engines import get_engine


@pytest.fixture(scope="session")
def engine():
    return get_engine("numpy", threads=2)
