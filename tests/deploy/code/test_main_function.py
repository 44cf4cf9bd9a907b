"""The end of a printed file: it reads what safetensors writes."""

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from convblocks.deploy.code import module_code
from tests.deploy.code.printed import namespace


def test_the_reader_of_weights_reads_what_safetensors_writes(tmp_path):
    read = namespace(module_code(nn.Linear(2, 2), (2,)))["read_safetensors"]
    floats = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
    kinds = (*floats, torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool)
    tensors = {str(k): torch.arange(6).reshape(2, 3).to(k) for k in kinds} | {"scalar": torch.tensor(3)}
    save_file(tensors, tmp_path / "w.safetensors", {"network": "x"})
    actual = read(str(tmp_path / "w.safetensors"))
    expected = load_file(tmp_path / "w.safetensors")
    assert actual.keys() == expected.keys()
    assert all(torch.equal(actual[n], t) and actual[n].dtype == t.dtype for n, t in expected.items())
    save_file({"odd": torch.zeros(1, dtype=torch.uint64)}, tmp_path / "w.safetensors")
    with pytest.raises(ValueError, match="odd has dtype U64; known are F64, F32"):
        read(str(tmp_path / "w.safetensors"))
