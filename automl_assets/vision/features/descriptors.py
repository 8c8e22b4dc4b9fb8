"""Colours and textures of images as numbers that nothing had to learn, written down as ONNX nodes.

Python runs the same graph, so that both cannot come apart. Histograms of colours (Swain & Ballard 1991), means and
deviations on grids, energies of Gabor filters at three scales (Daugman 1985), histograms of oriented gradients (Dalal & Triggs
2005) and local binary patterns (Ojala et al. 2002).
"""

import numpy as np

from automl_assets.onnx.graph import FLOAT, Graph
from automl_assets.onnx.pixels import add_square

SIDE = 64  # pixels to which every image is brought
GREY = (0.299, 0.587, 0.114)  # of red, green and blue
N_COLOURS, N_SATURATIONS = 12, 10  # bins
N_ANGLES, WAVES, REACH = 4, (1.0, 2.0), 4  # of Gabor filters: directions, widths, pixels to either side
SCALES = (1, 2, 4)  # how much smaller the image is that they look at
N_DIRECTIONS, SHARPNESS = 9, 8  # of gradients: how many, and how sharply one is told from the next
CELL = 16  # pixels of a cell of gradients
AROUND = ((0, 0), (0, 1), (0, 2), (1, 2), (2, 2), (2, 1), (2, 0), (1, 0))  # a pixel, rows and columns from above left
BRIGHTER = 0.01  # than the pixel in their midst
TINY = 1e-8


def add_descriptors(graph: Graph, image: str) -> str:
    """Adds the descriptors of pixels uint8 [n_rows, height, width, 3], float32 [n_rows, n_descriptors]."""
    colours = add_square(graph, image, SIDE)
    grey = _weighted(graph, colours, [GREY])
    opposed = _weighted(graph, colours, [(1.0, -1.0, 0.0), (0.5, 0.5, -1.0)])
    saturation = _saturation(graph, colours)
    every = graph.node("Concat", colours, opposed, saturation, axis=1)
    parts = [
        _histogram(graph, colours, 0.0, 1.0, N_COLOURS),
        _histogram(graph, opposed, -0.5, 0.5, N_COLOURS),
        _histogram(graph, saturation, 0.0, 1.0, N_SATURATIONS),
        *_moments(graph, every, 1),
        *_moments(graph, every, 2),
        *_moments(graph, colours, 4),
        *(part for scale in SCALES for part in _energies(graph, _smaller(graph, grey, scale))),
        *_gradients(graph, grey),
        _patterns(graph, grey),
    ]
    return str(graph.node("Concat", *parts, axis=1))


def _number(graph: Graph, value: float) -> str:
    return graph.constant(np.float32(value))


def _whole(graph: Graph, *values: int) -> str:
    return graph.constant(np.array(values, np.int64))


def _flat(graph: Graph, values: str) -> str:
    return str(graph.node("Flatten", values, axis=1))


def _weighted(graph: Graph, planes: str, weights: list[tuple[float, ...]]) -> str:
    """Sums of planes, one for each row of weights."""
    return str(graph.node("Conv", planes, graph.constant(np.array(weights, np.float32)[:, :, None, None])))


def _saturation(graph: Graph, colours: str) -> str:
    most, least = (graph.node(kind, colours, _whole(graph, 1), keepdims=1) for kind in ("ReduceMax", "ReduceMin"))
    return str(graph.node("Div", graph.node("Sub", most, least), graph.node("Add", most, _number(graph, 1e-3))))


def _histogram(graph: Graph, planes: str, low: float, high: float, n_bins: int) -> str:
    """Shares of pixels around each of the values between two ends; a pixel counts for both of its neighbours."""
    centres = np.linspace(low, high, n_bins, dtype=np.float32)[:, None, None]
    apart = graph.node("Sub", graph.node("Unsqueeze", planes, _whole(graph, 2)), graph.constant(centres))
    near = graph.node("Div", graph.node("Abs", apart), _number(graph, (high - low) / (n_bins - 1)))
    counted = graph.node("Relu", graph.node("Sub", _number(graph, 1), near))
    return _flat(graph, graph.node("ReduceMean", counted, _whole(graph, 3, 4), keepdims=0))


def _moments(graph: Graph, planes: str, n_cells: int) -> list[str]:
    """Mean and standard deviation in each cell of a grid."""
    cell = [SIDE // n_cells] * 2
    mean, square = (
        graph.node("AveragePool", values, kernel_shape=cell, strides=cell)
        for values in (planes, graph.node("Mul", planes, planes))
    )
    variance = graph.node("Relu", graph.node("Sub", square, graph.node("Mul", mean, mean)))
    return [_flat(graph, mean), _flat(graph, graph.node("Sqrt", variance))]


def _smaller(graph: Graph, plane: str, times: int) -> str:
    if times == 1:
        return plane
    return str(graph.node("AveragePool", plane, kernel_shape=[times] * 2, strides=[times] * 2))


def _energies(graph: Graph, grey: str) -> list[str]:
    """How strongly waves of each direction and width are there: mean, deviation and greatest strength."""
    margins = _whole(graph, 0, 0, REACH, REACH, 0, 0, REACH, REACH)
    padded = graph.node("Pad", grey, margins, mode="reflect")
    even, odd = (graph.node("Conv", padded, graph.constant(part)) for part in _waves())
    squares = graph.node("Add", graph.node("Mul", even, even), graph.node("Mul", odd, odd))
    energy = graph.node("Sqrt", graph.node("Add", squares, _number(graph, TINY)))
    axes = _whole(graph, 2, 3)
    mean = graph.node("ReduceMean", energy, axes, keepdims=1)
    apart = graph.node("Sub", energy, mean)
    variance = graph.node("ReduceMean", graph.node("Mul", apart, apart), axes, keepdims=0)
    greatest = graph.node("ReduceMax", energy, axes, keepdims=0)
    return [_flat(graph, mean), graph.node("Sqrt", variance), greatest]


def _waves() -> tuple[np.ndarray, np.ndarray]:
    """Gabor filters, even and odd, each float32 [n_filters, 1, height, width]."""
    down, right = np.mgrid[-REACH : REACH + 1, -REACH : REACH + 1]
    even, odd = [], []
    for angle in np.arange(N_ANGLES) * np.pi / N_ANGLES:
        along = right * np.cos(angle) + down * np.sin(angle)
        for width in WAVES:
            window = np.exp(-(right**2 + down**2) / (4 * width**2))
            cosine = window * np.cos(2 * np.pi * along / (3 * width))
            cosine -= cosine.mean()
            sine = window * np.sin(2 * np.pi * along / (3 * width))
            even.append(cosine / np.abs(cosine).sum())
            odd.append(sine / np.abs(sine).sum())
    stacked = (np.stack(filters).astype(np.float32)[:, None] for filters in (even, odd))
    return next(stacked), next(stacked)


def _gradients(graph: Graph, grey: str) -> list[str]:
    """How much changes in each direction, in every cell relative to all, and in the whole image."""
    padded = graph.node("Pad", grey, _whole(graph, 0, 0, 1, 1, 0, 0, 1, 1), mode="edge")
    change = np.array([[0, 0, 0], [-1, 0, 1], [0, 0, 0]], np.float32)
    both = graph.node("Conv", padded, graph.constant(np.stack([change, change.T])[:, None]))
    size = graph.node("ReduceL2", both, _whole(graph, 1), keepdims=1)
    angles = np.arange(N_DIRECTIONS) * np.pi / N_DIRECTIONS
    along = _weighted(graph, both, [(float(np.cos(angle)), float(np.sin(angle))) for angle in angles])
    aligned = graph.node("Div", graph.node("Abs", along), graph.node("Add", size, _number(graph, 1e-5)))
    strength = graph.node("Mul", size, graph.node("Pow", aligned, _number(graph, SHARPNESS)))
    cells = graph.node("AveragePool", strength, kernel_shape=[CELL] * 2, strides=[CELL] * 2)
    norm = graph.node("Add", graph.node("ReduceL2", cells, _whole(graph, 1, 2, 3), keepdims=1), _number(graph, 1e-3))
    whole = graph.node("ReduceMean", strength, _whole(graph, 2, 3), keepdims=0)
    return [_flat(graph, graph.node("Div", cells, norm)), whole]


def _patterns(graph: Graph, grey: str) -> str:
    """Shares of pixels with so many brighter ones in a row around them, and of those where they are not in one row."""
    padded = graph.node("Pad", grey, _whole(graph, 0, 0, 1, 1, 0, 0, 1, 1), mode="edge")
    ring = np.zeros((len(AROUND), 1, 3, 3), np.float32)
    for place, (row, column) in enumerate(AROUND):
        ring[place, 0, row, column] = 1
    apart = graph.node("Sub", graph.node("Conv", padded, graph.constant(ring)), grey)
    bright = graph.node("Cast", graph.node("Greater", apart, _number(graph, BRIGHTER)), to=FLOAT)
    shifted = graph.node("Gather", bright, _whole(graph, *np.roll(np.arange(len(AROUND)), 1)), axis=1)
    differs = graph.node("Abs", graph.node("Sub", bright, shifted))
    turns, count = (graph.node("ReduceSum", values, _whole(graph, 1), keepdims=1) for values in (differs, bright))
    in_a_row = graph.node("Cast", graph.node("Less", turns, _number(graph, 2.5)), to=FLOAT)
    numbers = graph.constant(np.arange(len(AROUND) + 1, dtype=np.float32)[:, None, None])
    as_many = graph.node("Less", graph.node("Abs", graph.node("Sub", count, numbers)), _number(graph, 0.5))
    uniform = graph.node("Mul", graph.node("Cast", as_many, to=FLOAT), in_a_row)
    every = graph.node("Concat", uniform, graph.node("Sub", _number(graph, 1), in_a_row), axis=1)
    return str(graph.node("ReduceMean", every, _whole(graph, 2, 3), keepdims=0))
