"""metrics.jsonl: lines that survive a crash, and a log that starts again where a checkpoint stands."""

import json

from cuda_convnet.metrics import MetricsLog, read_metrics, without_timings

FIRST = {"kind": "train", "epoch": 1, "batch": 1, "costs": {"logprob": [1 / 3, 0.5, 0.25]}}
SECOND = {"kind": "train", "epoch": 1, "batch": 2, "costs": {"logprob": [0.1 + 0.2, 0.5, 0.25]}}
TIMINGS = {"seconds": 0.5, "images_per_second": 16.0, "time": "2012-10-01T00:00:00+00:00"}


def test_what_is_appended_is_read(tmp_path):
    log = MetricsLog(tmp_path / "metrics.jsonl")
    log.append({**FIRST, **TIMINGS})
    log.append(SECOND)
    assert read_metrics(tmp_path / "metrics.jsonl") == [{**FIRST, **TIMINGS}, SECOND]


def test_timings_are_what_may_differ_between_equal_runs():
    assert without_timings({**FIRST, **TIMINGS}) == FIRST


def test_a_line_that_was_cut_off_is_not_read(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text(json.dumps(FIRST) + "\n" + json.dumps(SECOND)[:20])
    assert read_metrics(path) == [FIRST]


def test_the_log_starts_after_the_records_of_a_checkpoint_and_keeps_their_timings(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text("".join(json.dumps({**record, **TIMINGS}) + "\n" for record in (FIRST, SECOND)) + '{"kin')
    MetricsLog(path, [FIRST])
    assert read_metrics(path) == [{**FIRST, **TIMINGS}]


def test_lines_that_are_lost_or_damaged_come_back_from_the_checkpoint(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(json.dumps({**SECOND, **TIMINGS}).encode() + b"\n\xff\xfe\n")
    MetricsLog(path, [FIRST, SECOND])
    assert read_metrics(path) == [FIRST, SECOND]
    path.unlink()
    MetricsLog(path, [FIRST])
    assert read_metrics(path) == [FIRST]
