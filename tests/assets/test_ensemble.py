"""What the check of the ensemble says of candidates that were not tried."""

from automl_assets.assets.ensemble import all_tried

LACK = "skipped: no pretrained encoder is here; automl weights get minilm"


def _left_out(what: str, reason: str) -> dict[str, str]:
    return {"event": "left_out", "what": what, "reason": reason}


def test_what_is_not_here_is_not_mended_by_time() -> None:
    found = all_tried([_left_out("frozen_encoder", LACK), _left_out("fine_tuned_encoder", LACK)], "", {"", LACK})
    assert not found.passed
    assert found.description == f"frozen_encoder, fine_tuned_encoder: {LACK}."


def test_what_the_clock_left_out_is() -> None:
    events = [_left_out("frozen_encoder", LACK), _left_out("lightgbm", "a trial takes about 9 s")]
    assert "More time is given by limits.timeout_minutes." in (all_tried(events, "", {LACK}).description or "")
    assert "limits.timeout_minutes" in (all_tried([], "no stack was tried", {""}).description or "")
    assert all_tried([], "", {LACK}).passed
