"""The oneDNN kernel that PyTorch runs for a convolution on an x86 processor, and the copies that it makes.

A kernel works on maps and weights in a layout of its own, mostly in blocks of as many channels as a vector has lanes:
PyTorch copies what it is given into that layout, and the result out of it. Which kernel it is follows from the shape
and the instruction set. The rules are those of oneDNN 3.12 (its folder src/cpu/x64) for float32.
"""

from math import prod

from msgspec import Struct

from convblocks.analysis.memory.convolution_shape import Convolution

LANES = {"AVX2": 8, "AVX512": 16}  # of a vector of float32, by the instruction set that is modelled
LARGEST_SCRATCH = 2**30  # bytes that the general kernel books at most
STRIDED_SCRATCH = 12 * 1024, 24 * 1024  # bytes at all, and for each thread
SMALL = 64 * 1024  # products for a thread
CACHE = {8: 300 * 1024, 16: 800 * 1024}  # bytes of windows that the general kernel unfolds forward


class Kernel(Struct, frozen=True):
    """One kernel's copies in its own layout, in bytes; 0 where it works on PyTorch's tensor itself.

    copies: how many maps of the result's size PyTorch makes of a result, one after the other.
    """

    name: str
    x: int
    weight: int
    y: int
    scratch: int = 0
    copies: int = 1


def forward_kernel(c: Convolution, lanes: int, threads: int) -> Kernel:
    """Returns the kernel that computes the output."""
    if c.depthwise:
        if len(c.kernel) == 3 and max(c.dilations) == 1:
            return _blocked(c, "channels last", 1)
        if len(c.kernel) == 2 and _unrolls_output(c, min(2 + lanes // 4, c.out_sizes[-1])) and not c.outside:
            return _blocked(c, "depthwise", lanes)
        return _general(some_columns(c, lanes, threads))
    if _gathers(c):
        return _blocked(c, "point", lanes, _gathered(c, threads))
    block = c.block(lanes)
    if not block and _flat_groups(c):
        return _blocked(c, "blocked", 1, plain_x=True)
    fits = _forward_fits_16 if lanes == 16 else _forward_fits_8
    if c.outside or not block or not fits(c):
        return _general(some_columns(c, lanes, threads))
    return _blocked(c, "blocked", block, plain_x=c.groups == 1 and c.in_channels < lanes)


def input_gradient_kernel(c: Convolution, lanes: int, threads: int) -> Kernel:
    """Returns the kernel that computes the gradient of the input."""
    if c.depthwise:
        refused = len(c.kernel) == 3 or max(c.dilations) > 1
        return _general(columns(c, lanes, threads)) if refused else _blocked(c, "depthwise", lanes)
    if c.point and max(c.strides) == 1 and c.groups == 1:
        return _blocked(c, "point", lanes)
    if c.steps_over:
        return _general(columns(c, lanes, threads))
    block = c.block(lanes)
    strided = max(c.strides) > 1
    if strided and c.groups == 1:
        return _strided(c, lanes, threads)
    if lanes == 16 and block and not c.outside and _gradient_fits(c, lanes):
        return _blocked(c, "blocked", block)
    if strided and not c.out_channels % (16 * c.groups):
        return _strided(c, lanes, threads)
    even = len(set(c.strides[-2:])) == 1 and max(c.strides[:-2], default=1) == 1
    if even and c.block(8) and not c.outside and _gradient_fits(c, 8):
        return _blocked(c, "blocked", 8)
    return _general(columns(c, lanes, threads))


def weight_gradient_kernel(c: Convolution, lanes: int, threads: int) -> Kernel:
    """Returns the kernel that computes the gradient of the weight."""
    if c.depthwise:
        return _blocked(c, "depthwise", lanes) if depthwise_sums(c) else _general(sums(c, threads))
    if _gathers(c):
        return _blocked(c, "point", lanes, _gathered(c, threads))
    few = c.groups == 1 and 3 < c.in_channels < 16
    if lanes == 16 and c.block(16) == 16 and not few and sums_fit(c, 16):
        return _blocked(c, "blocked", 16, plain_x=c.in_channels < 16)
    if c.block(8) == 8 and sums_fit(c, 8):
        return _blocked(c, "blocked", 8, plain_x=c.in_channels == 3)
    return _general(sums(c, threads))


def _gathers(c: Convolution) -> bool:
    """Returns whether the kernel for 1×1 applies: it skips pixels where a stride divides a map of two axes or one."""
    divides = not any(i % s for i, s in zip(c.in_sizes, c.strides, strict=True))
    return c.point and c.groups == 1 and (max(c.strides) == 1 or (len(c.kernel) == 2 and divides))


def _flat_groups(c: Convolution) -> bool:
    """Returns whether fewer input channels than a vector holds go to groups of outputs that fill vectors."""
    return c.in_channels < 8 and not c.out_channels % (8 * c.groups) and not c.outside and _forward_fits_8(c)


def _end(c: Convolution, width: int) -> int:
    """Padding behind that the last of the first `width` outputs of a row needs."""
    return max(0, (width - 1) * c.strides[-1] + c.spans[-1] - c.in_sizes[-1] - c.paddings[-1])


def _unrolls_output(c: Convolution, unrolled: int) -> bool:
    """Returns whether the padding of a row lies within its first and its last `unrolled` outputs."""
    whole = c.out_sizes[-1] - c.out_sizes[-1] % unrolled
    return max(c.paddings[-1], _end(c, whole)) <= unrolled


def _forward_fits_8(c: Convolution) -> bool:
    width, stride = c.out_sizes[-1], c.strides[-1]
    unrolled = min(3, width)
    padded_steps = any(c.paddings[-2:]) and max(c.strides[-2:]) > 1
    if c.paddings[-1] > unrolled or (c.kernel[-1] > 7 and padded_steps):
        return False
    tail = width % unrolled
    end = _end(c, width - tail)
    if end <= unrolled * stride or width // unrolled <= 1:
        return True
    return _unrolls_output(c, min(end // stride + tail, width, 7))


def _forward_fits_16(c: Convolution) -> bool:
    blocks = -(-c.out_channels // 16)
    together = max([n for n in range(1, 6) if blocks % n == 0])
    wide = c.kernel[-1] > 3
    if wide:
        together = 1
    unrolled = min(c.out_sizes[-1], 28 if wide else 31 // (together + 1))
    widest = min(c.out_sizes[-1], 28)
    parts = 1 + (c.paddings[-1] > 0) + (_end(c, c.out_sizes[-1] - c.out_sizes[-1] % widest) > 0)
    depth = c.in_channels if c.groups == 1 and c.in_channels < 16 else c.block(16)
    return _unrolls_output(c, unrolled) and _code_fits(parts * depth * together * unrolled * c.kernel[-1])


def _code_fits(products: int) -> bool:
    """Returns whether the code that oneDNN writes for so many products stays within its limit."""
    return 15 * products <= 256 * 1024


def _gradient_fits(c: Convolution, lanes: int) -> bool:
    width, stride = c.in_sizes[-1], c.strides[-1]
    left = max(0, (c.spans[-1] - 1 - c.paddings[-1]) // stride)
    unrolled, together = _gradient_unrolled(c, lanes, left)
    if not unrolled or left * stride > unrolled < width or (lanes == 16 and left * stride > unrolled):
        return False
    tail = width % unrolled
    right = max(0, (c.spans[-1] - 1 - max(0 if lanes == 16 else -width, c.ends[-1] + tail)) // stride)
    if right * stride > unrolled or (width > unrolled and (unrolled % stride or c.ends[-1] + tail < 0)):
        return False
    parts = 1 + (left > 0) + (right > 0)
    return lanes == 8 or _code_fits(parts * c.kernel[-1] * c.block(16) * together * unrolled)


def _gradient_unrolled(c: Convolution, lanes: int, left: int) -> tuple[int, int]:
    """Pixels of a row, and blocks of channels, that the kernel of the input's gradient computes at a time."""
    width, stride = c.in_sizes[-1], c.strides[-1]
    blocks = -(-c.in_channels // c.groups // c.block(lanes))
    if lanes == 16:
        if c.kernel[-1] > 3 or stride > 1:
            return min(width, 28), 1
        together = max([n for n in range(1, 5) if blocks % n == 0])
        return min(width, 31 // (together + 1)), together
    best = (0, 0, 0)
    for together in [n for n in range(1, 5) if blocks % n == 0]:
        for step in range(stride, width + stride, stride):
            unrolled = min(step, width)
            if step * together + step // stride > 15:
                break
            if left * stride <= unrolled or unrolled == width:
                best = max(best, (-(-unrolled // stride) * together, unrolled, together))
    return best[1], best[2]


def depthwise_sums(c: Convolution) -> bool:
    """Returns whether the kernel for depthwise convolutions applies: up to 3 wide, no pixel skipped, no map smaller."""
    if len(c.kernel) != 2 or max(c.dilations) > 1 or not c.strides[-1] <= c.kernel[-1] <= 3:
        return False
    least = c.kernel[0] + -c.paddings[0] % c.strides[0], c.kernel[1]
    halves = all(max(p, e) <= k // 2 for p, e, k in zip(c.paddings, c.ends, c.kernel, strict=True))
    return halves and c.in_sizes[0] >= least[0] and c.in_sizes[1] >= least[1]


def sums_fit(c: Convolution, lanes: int) -> bool:
    """Returns whether the blocked kernel for the weight's gradient takes the window."""
    return _sums_fit_16(c) if lanes == 16 else _sums_fit_8(c)


def _sums_fit_16(c: Convolution) -> bool:
    if c.kernel[-1] > 14 or (len(c.kernel) == 3 and c.dilations[0] > 1):
        return False
    if c.dilations[-2] > 1 and (c.strides[-2] > 1 or c.spans[-2] > c.in_sizes[-2]):
        return False
    pads = [max(p, e) for p, e in zip(c.paddings, c.ends, strict=True)]
    low = pads[-2] <= c.spans[-2] // 2 and pads[-1] <= 28
    return low and not any(p >= span for p, span in zip(pads, c.spans, strict=True))


def _sums_fit_8(c: Convolution) -> bool:
    pads = [max(p, e) for p, e in zip(c.paddings, c.ends, strict=True)]
    small = all(k <= i for k, i in zip(c.kernel[:-1], c.in_sizes[:-1], strict=True)) and c.kernel[-1] < 14
    depth = len(c.kernel) == 2 or pads[0] <= 0
    return (
        small
        and depth
        and max(c.dilations) == 1
        and not any(p >= span for p, span in zip(pads, c.spans, strict=True))
    )


def _gathered(c: Convolution, threads: int) -> int:
    """A 1×1 kernel with a stride gathers the pixels that it reads, an image for each thread."""
    return threads * prod(c.out_sizes) * c.in_channels * c.itemsize if max(c.strides) > 1 else 0


def some_columns(c: Convolution, lanes: int, threads: int) -> int:
    """Each thread of the general kernel forward unfolds as many windows of a map as fit into a part of a cache."""
    pixels = prod(c.out_sizes[-2:])
    everything = _window_bytes(c) * pixels
    if len(c.kernel) == 2:
        return threads * min(everything, CACHE[lanes])
    return everything * (threads if pixels // threads < 512 else 1)


def _window_bytes(c: Convolution) -> int:
    """Returns the bytes of one window, unfolded; a kernel of one element reads the map as it is."""
    if c.point and max(c.strides) == 1:
        return 0
    return c.in_channels // c.groups * prod(c.kernel) * c.itemsize


def columns(c: Convolution, lanes: int, threads: int) -> int:
    """Each thread of the general kernel writes the gradients of an image's, or of a volume's slice's, windows."""
    depth, pixels = c.in_channels // c.groups, prod(c.in_sizes[-2:])
    vectors = -(-pixels // lanes) * -(-depth // lanes)
    images = c.batch * c.groups
    small = pixels * depth * c.out_channels // c.groups // threads < SMALL
    spread = small or _used(images, threads) >= _used(vectors, threads)
    many = (prod(c.out_sizes[-2:]) // threads < 512 or prod(c.kernel) < 64) and (c.batch > 1 or c.groups > 2)
    return _unfolded(c, threads if spread and many else 1, threads, 0, 0.1)


def _used(work: int, threads: int) -> float:
    """The part of the threads' time that equal pieces of work fill."""
    return work / (-(-work // threads) * threads)


def sums(c: Convolution, threads: int) -> int:
    """Each thread of the general kernel unfolds windows and has four times the weight's size for sums."""
    spread = prod(c.out_sizes[-2:]) // threads < 256 and (c.batch > 1 or c.groups > 2)
    workers = threads if spread else 1
    sums = 4 * workers * c.weight_bytes
    return sums + _unfolded(c, workers, threads, sums, 0.05)


def _unfolded(c: Convolution, workers: int, threads: int, booked: int, part: float) -> int:
    """All windows of an image for each worker, or a small part where that is too much."""
    window, pixels = _window_bytes(c), prod(c.out_sizes[-2:])
    limit = min(LARGEST_SCRATCH, 15 * threads * (c.in_bytes + c.weight_bytes + c.out_bytes)) - booked
    if workers * window * pixels > limit:
        pixels = max(8, int(part * (limit // (workers * window))))
    return workers * window * pixels


def _blocked(c: Convolution, name: str, block: int, scratch: int = 0, plain_x: bool = False) -> Kernel:
    ic, oc = c.channels(block)
    read = c.in_channels if plain_x else ic
    per_group = 1 if name == "depthwise" else read // c.groups
    return Kernel(
        name,
        0 if plain_x else c.batch * ic * prod(c.in_sizes) * c.itemsize,
        per_group * oc * prod(c.kernel) * c.itemsize,
        c.batch * oc * prod(c.out_sizes) * c.itemsize,
        scratch,
        2 if name == "channels last" else 1,
    )


def _strided(c: Convolution, lanes: int, threads: int) -> Kernel:
    """Maps with the channels last, and weights in blocks of input channels."""
    depth, _ = c.channels(lanes if c.groups == 1 else 1)
    weight = c.weight_bytes // c.in_channels * depth
    scratch = STRIDED_SCRATCH[0] + STRIDED_SCRATCH[1] * threads
    return Kernel("strided", c.in_bytes, weight, c.out_bytes, scratch, copies=2)


def _general(scratch: int) -> Kernel:
    return Kernel("general", 0, 0, 0, scratch)
