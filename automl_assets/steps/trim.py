"""trim: as many fold models a member as a row's time allows. The score stands: each row of it was one fold model's."""

from collections.abc import Sequence
from dataclasses import replace

from automl_assets.featurizer_graph import add_codes, add_dense
from automl_assets.latency import Work
from automl_assets.onnx_graph import Graph
from automl_assets.preparation import add_raw
from automl_assets.records import Ensemble, Fitted, Member
from automl_assets.steps.blend import algorithm_of


def trim(ensemble: Ensemble, most_milliseconds: float | None) -> Ensemble:
    """The ensemble with fold models left out until the estimated time of a row keeps the bound; at least one stays of
    every member. None leaves it whole."""
    if most_milliseconds is None:
        return ensemble
    fixed, works = _works(ensemble)
    counts = _counts(ensemble.members, fixed, works, most_milliseconds)
    members = [
        replace(member, fitted=Fitted(member.fitted.models[:count]))
        if count < len(member.fitted.models)
        else member  # stays unread, if it was
        for member, count in zip(ensemble.members, counts, strict=True)
    ]
    return replace(ensemble, members=tuple(members))


def _works(ensemble: Ensemble) -> tuple[Work, list[Work]]:
    """What one row costs before any member, and in one model of each."""
    graph = Graph()
    codes = add_codes(graph, ensemble.featurizer)
    views = {"codes": codes, "dense": add_dense(graph, ensemble.featurizer, codes)}
    fixed, works = graph.work(), []
    for member in ensemble.members:
        before, models = graph.n_nodes, member.fitted.models
        algorithm = algorithm_of(member, ensemble.problem)
        add_raw(algorithm, models, graph, views[algorithm.view])
        works.append(graph.work(before) * (1 / len(models)))
    return fixed, works


def _counts(members: Sequence[Member], fixed: Work, works: Sequence[Work], most_milliseconds: float) -> list[int]:
    """Models to keep of each member. The next to go is the one whose loss adds least variance for the time it saves:
    a vote's share w over k models alike has variance w² / k."""
    counts = [len(member.fitted.models) for member in members]

    def loss(i: int) -> float:
        saved = max(works[i].milliseconds, 1e-9)
        return members[i].weight ** 2 / (counts[i] * (counts[i] - 1)) / saved

    while True:
        total = sum((work * count for work, count in zip(works, counts, strict=True)), fixed)
        several = [i for i, count in enumerate(counts) if count > 1]
        if total.milliseconds <= most_milliseconds or not several:
            return counts
        counts[min(several, key=loss)] -= 1
