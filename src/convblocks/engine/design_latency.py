"""Latency of designs, as deployed."""

from collections.abc import Sequence

import numpy as np
import torch

from convblocks.data import Dataset
from convblocks.measure import describe_host, latencies
from convblocks.networks import Network
from convblocks.records import Design, Latency
from convblocks.training import Placement


def time_designs(
    designs: Sequence[Design], dataset: Dataset, threads: int, placement: Placement
) -> list[Latency]:
    """Returns the latency of each as deployed, for a batch of one example. Fresh weights serve: values have no part."""
    example = placement.place_examples(torch.from_numpy(dataset.train.x[:1]))
    networks = {d.name: Network.from_dict(d.deployed or d.network) for d in designs}
    modules = {name: placement.place(network.build(), example.ndim) for name, network in networks.items()}
    measured = latencies(modules, example, threads=threads)
    host = describe_host(placement.device)
    quartiles = {name: np.quantile(ms, (0.25, 0.5, 0.75)).tolist() for name, ms in measured.items()}
    return [
        Latency(
            design=name,
            batch=1,
            threads=threads,
            repeats=len(measured[name]),
            lower_ms=lower,
            median_ms=median,
            upper_ms=upper,
            host=host,
        )
        for name, (lower, median, upper) in quartiles.items()
    ]
