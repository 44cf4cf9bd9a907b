"""The end of each printed file: reading weights, and a ``main`` that runs the module once."""

from collections.abc import Sequence

MAIN = '''
DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


def read_safetensors(path: str) -> dict[str, torch.Tensor]:
    """The tensors of a .safetensors file: the header's length, the header as JSON, the numbers."""
    data = bytearray(Path(path).read_bytes())
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        begin, end = entry["data_offsets"]
        if entry["dtype"] not in DTYPES:
            raise ValueError(f"{name} has dtype {entry['dtype']}; known are {', '.join(DTYPES)}")
        numbers = torch.frombuffer(data[start + begin : start + end], dtype=DTYPES[entry["dtype"]])
        tensors[name] = numbers.reshape(entry["shape"])
    return tensors


def main() -> None:
    parser = argparse.ArgumentParser(description="Run the module once on random numbers.")
    parser.add_argument("--load", metavar="FILE", help="weights, a .safetensors file")
    arguments = parser.parse_args()
    module = make().eval()
    if arguments.load:
        try:
            weights = read_safetensors(arguments.load)
        except OSError as error:
            parser.error(f"{arguments.load} cannot be read: {error.strerror}")
        except (ValueError, LookupError, RuntimeError) as error:
            parser.error(f"{arguments.load} cannot be read as .safetensors: {' '.join(str(error).split())}")
        if differ := sorted(weights.keys() ^ module.state_dict().keys()):
            parser.error(
                f"{arguments.load} does not fit: {len(differ)} keys are not in both, as {differ[0]}; expected those of "
                "convblocks, which convblocks.networks.weights.from_foreign makes of torchvision's or timm's"
            )
        try:
            module.load_state_dict(weights)
        except RuntimeError as error:
            parser.error(f"{arguments.load} does not fit: {' '.join(str(error).split())}")
    with torch.no_grad():
        x = torch.randn(1, *INPUT_SIZE)
        print(f"{tuple(x.shape)} -> {tuple(module(x).shape)}")


if __name__ == "__main__":
    main()
'''
PRINTED = "tuple(module(x).shape)"
SHAPES = '''
def shapes(output: object) -> object:
    """The shape of a tensor, or of each in a tuple, list, dict or object with attributes."""
    if isinstance(output, torch.Tensor):
        return tuple(output.shape)
    if isinstance(output, (list, tuple)):
        return [shapes(value) for value in output]
    if isinstance(output, dict):
        return {key: shapes(value) for key, value in output.items()}
    fields = getattr(output, "__dataclass_fields__", None) or getattr(output, "__dict__", None)
    return output if fields is None else {name: shapes(getattr(output, name)) for name in fields}

'''
MAIN_IMPORTS = ("import argparse", "import json", "from pathlib import Path")


def main_text(input_size: Sequence[int], *, several: bool) -> str:
    """Returns the code that runs the module on one random example of `input_size`, (channels, *spatial).

    Args:
        input_size: size of an example.
        several: the module gives more than one tensor, so that each has its shape printed.
    """
    text = f"{SHAPES}{MAIN.replace(PRINTED, 'shapes(module(x))')}" if several else MAIN
    return text.replace("*INPUT_SIZE", ", ".join(map(str, input_size)))
