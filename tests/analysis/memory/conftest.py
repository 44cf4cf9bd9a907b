"""Memory is predicted and measured with one thread: kernels take scratch memory by threads."""

import pytest

from convblocks.measure import threads_of


@pytest.fixture(autouse=True)
def one_thread():
    with threads_of(1):
        yield
