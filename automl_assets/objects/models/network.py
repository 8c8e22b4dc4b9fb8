"""A network that says for each point of a grid which object it is the middle of, and how far away its sides are.

One level of points (as CenterNet, Zhou et al. 2019), sides as in FCOS (Tian et al. 2019), over features of several strides
that are added up from coarse to fine (Lin et al. 2017). The trunk is a function of its own, so that another can take its place.
"""

from typing import Any

from automl_assets.objects.models.layers import Layers

STRIDE = 8  # pixels from one point of the grid to the next
COARSEST = 32  # stride of the coarsest features: sides of squares are multiples of it
CHANNELS = {2: 16, 4: 32, 8: 64, 16: 96, 32: 128}  # of the trunk, at each stride
WIDTH = 64  # channels of everything above the trunk
RARE = -4.6  # log-odds of a share of 1 %: what scores begin with, since most points are the middle of nothing
FARTHEST = 6.0  # of the logarithm of a side, in strides

Features = dict[int, Any]  # stride -> features


def trunk(layers: Layers, x: Any) -> Features:
    """Features of squares [n_images, 3, side, side], whose values are shares of full brightness, at strides 8, 16 and 32."""
    x, found = layers.scaled(x, 4.0, -1.8), Features()
    for stride, n_channels in CHANNELS.items():
        x = layers.rectified(layers.convolved(f"trunk_{stride}", x, n_channels, stride=2))
        if stride > 2:
            x = _residual(layers, f"trunk_{stride}_residual", x, n_channels)
        found[stride] = x
    return {stride: found[stride] for stride in (8, 16, 32)}


def _residual(layers: Layers, name: str, x: Any, n_channels: int) -> Any:
    inner = layers.rectified(layers.convolved(f"{name}_1", x, n_channels))
    return layers.rectified(layers.added(x, layers.convolved(f"{name}_2", inner, n_channels)))


def head(layers: Layers, features: Features, n_classes: int) -> tuple[Any, Any]:
    """At each point of the grid log-odds of the classes [n_images, n_classes, height, width], and logarithms of the distances to
    left, top, right and bottom in strides [n_images, 4, height, width]."""
    x = layers.convolved("level_32", features[32], WIDTH, size=1)
    for stride in (16, 8):
        x = layers.added(layers.convolved(f"level_{stride}", features[stride], WIDTH, size=1), layers.doubled(x))
    x = layers.rectified(layers.convolved("levels", layers.rectified(x), WIDTH))
    branches = [_residual(layers, f"{name}_branch", x, WIDTH) for name in ("class", "side")]
    return layers.scores("classes", branches[0], n_classes, RARE), layers.scores("sides", branches[1], 4, 1.0)
