"""Finds the packages to install, so that none can be forgotten; all else stands in pyproject.toml.

The folders `resources` and `sensors` lie at the top level and are installed as subpackages, so that no package of so
common a name is put on anybody's path. Finding packages and renaming them at once is what pyproject.toml cannot say.
"""

from setuptools import find_namespace_packages, setup

PACKAGE = "automl_assets"
RENAMED = ("resources", "sensors")


def found(folder: str) -> list[str]:
    """The folder and all below it, those that hold nothing but YAML included."""
    return find_namespace_packages(include=[folder, f"{folder}.*"], exclude=["*.__pycache__"])


setup(
    packages=[*found(PACKAGE), *(f"{PACKAGE}.{name}" for folder in RENAMED for name in found(folder))],
    package_dir={f"{PACKAGE}.{folder}": folder for folder in RENAMED},
)
