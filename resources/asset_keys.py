"""Keys of assets: `[experiment, asset]`, and `[experiment, "candidate", algorithm]`, whose last part Dagster's graph shows.

Everywhere else an asset goes by its name, which is that of its folder as well.
"""

import dagster as dg

CANDIDATE = "candidate"
_PREFIX = f"{CANDIDATE}_"


def asset_key(experiment: str, asset: str) -> dg.AssetKey:
    """The key of an asset by its name.

    >>> asset_key("bank", "candidate_extra_trees").path, asset_key("bank", "split").path
    (['bank', 'candidate', 'extra_trees'], ['bank', 'split'])
    """
    if asset.startswith(_PREFIX):
        return dg.AssetKey([experiment, CANDIDATE, asset.removeprefix(_PREFIX)])
    return dg.AssetKey([experiment, asset])


def asset_name(key: dg.AssetKey) -> str:
    """The name of an asset by its key.

    >>> asset_name(asset_key("bank", "candidate_extra_trees"))
    'candidate_extra_trees'
    """
    return "_".join(key.path[1:])


def asset_of_step(step_key: str) -> str:
    """The name of the asset that a step makes, from the step's key.

    >>> asset_of_step("bank__candidate__extra_trees"), asset_of_step("bank__split")
    ('candidate_extra_trees', 'split')
    """
    *before, last = step_key.split("__")
    return f"{_PREFIX}{last}" if before[-1:] == [CANDIDATE] and len(before) > 1 else last
