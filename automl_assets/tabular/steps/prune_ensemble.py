"""prune_ensemble: what an ensemble leaves out so that one row takes no longer than it may.

First to go is what adds least for the time it takes: single fold models, and members of a vote that weigh little.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from automl_assets.experiment.experiment import EnsembleSetting
from automl_assets.features.featurizer_onnx import add_codes, add_dense
from automl_assets.onnx.graph import Graph
from automl_assets.onnx.latency import Work
from automl_assets.records import Candidate, Ensemble, Features, Fitted, Member
from automl_assets.steps.build_ensemble import build_ensemble
from automl_assets.tabular.steps.pipeline_onnx import add_member, graph_of

HEADROOM = 0.7  # of the time may be used by the estimate: it was a third too low on adult, a quarter on bank_marketing
LEAST_SHARE = (
    0.1  # of the time is the members' own, whatever the columns take: without them a row would hardly be faster
)
ANSWERING = Work(30.0)  # calibration, decision, intervals: not known yet
ALONE = 0.5  # in place of k (k - 1) for the last model of a member


def prune_ensemble(
    ensemble: Ensemble, candidates: Iterable[Candidate], features: Features, most_milliseconds: float | None
) -> Ensemble:
    """The ensemble with as much left out as the estimated time of a row demands. None leaves it whole, and so does
    a text embedding, beside which nothing else takes time.

    Without some of its fold models a member's score stands, since each row of it was one model's; without a member there
    is another vote. A stack keeps its members: its coefficients were learnt together.
    """
    if most_milliseconds is None or ensemble.featurizer.embeddings:
        return ensemble
    fixed, works = _works(ensemble)
    counts = _counts(ensemble, fixed, works, most_milliseconds)
    kept = [_shortened(m, count) for m, count in zip(ensemble.members, counts, strict=True) if count]
    if len(kept) == len(ensemble.members):
        return replace(ensemble, members=tuple(kept))
    return _voting_again(replace(ensemble, members=tuple(kept)), candidates, features)


def _shortened(member: Member, count: int) -> Member:
    models = member.fitted.models
    return replace(member, fitted=Fitted(models[:count])) if count < len(models) else member


def _voting_again(ensemble: Ensemble, candidates: Iterable[Candidate], features: Features) -> Ensemble:
    """The vote of those that are left, chosen and judged as any."""
    fitted = {member.trial: member.fitted for member in ensemble.members}
    left = [replace(one, trials=tuple(trial for trial in one.trials if trial.name in fitted)) for one in candidates]
    again = build_ensemble(left, features, EnsembleSetting(stacking=False), seed=0)
    members = tuple(replace(member, fitted=fitted[member.trial]) for member in again.members)
    scores = ensemble.scores_by_kind | {again.kind: again.score}
    return replace(again, members=members, scores_by_kind=scores)


def _works(ensemble: Ensemble) -> tuple[Work, list[Work]]:
    """What one row costs in all but the members, and in one model of each."""
    graph, works = Graph(), []
    codes = add_codes(graph, ensemble.featurizer, by_matrix=True)
    views = {"codes": codes, "dense": add_dense(graph, ensemble.featurizer, codes)}
    fixed = graph_of(ensemble, by_matrix=True).work() + ANSWERING
    for member in ensemble.members:
        before, n_models = graph.n_nodes, len(member.fitted.models)
        add_member(graph, member, views, ensemble.problem)
        work = graph.work(before)
        works.append(work * (1 / n_models))
        fixed += work * -1
    return fixed, works


def _counts(ensemble: Ensemble, fixed: Work, works: Sequence[Work], most_milliseconds: float) -> list[int]:
    """Models to keep of each member. The next to go is the one whose loss adds least variance for the time it saves:
    a share w of the vote over k models alike has variance w² / k."""
    members = ensemble.members
    counts = [len(member.fitted.models) for member in members]
    fewest = 0 if ensemble.kind == "voting" else 1

    def loss(i: int) -> float:
        saved = max(works[i].milliseconds, 1e-9)
        return members[i].weight ** 2 / max(counts[i] * (counts[i] - 1), ALONE) / saved

    allowed = max(HEADROOM * most_milliseconds, fixed.milliseconds + LEAST_SHARE * most_milliseconds)
    while True:
        total = sum((work * count for work, count in zip(works, counts, strict=True)), fixed)
        able = [i for i, count in enumerate(counts) if count > fewest]
        if total.milliseconds <= allowed or not able or sum(counts) == 1:
            return counts
        counts[min(able, key=loss)] -= 1
