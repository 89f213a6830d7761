"""`./run bench`: the names of the figures, and null for what was not measured. (The measuring itself is no test.)"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import pytest

from tests.bench import __main__ as command
from tests.bench import deadline as deadlines
from tests.bench import detector, path
from tests.bench.deadline import deadline, left_of_quick_s
from tests.bench.figures import Figures

PROMISED = {
    "areas": {"places", "places_routed_otherwise"},
    "noise": {"city_month_p50_ms", "city_month_max_ms", "alerts", "incidents"},
    "look": {
        "look_lan_max_s",
        "look_thin_max_s",
        "look_preview_max_bytes",
        "look_thin_still_p50_s",
        "look_handled_max_s",
        "look_clear_p50_s",
        "look_clear_max_s",
    },
    "api": {"requests", "5xx", "admin_requests", "admin_5xx", "worker_requests", "worker_5xx"},
    "backtest": {
        "backtest_7_days_s",
        "batch_us_per_observation",
        "busy_crowd_7_days_s",
        "calm_fire_lane_obstruction_alone_share",
    },
    "detector": {
        "campus_walkers_person_ap50",
        "campus_walkers_person_ap50_low",
        "campus_walkers_person_ap50_high",
        "traffic_cams_car_ap50",
        "traffic_cams_bus_ap50",
        "traffic_cams_truck_ap50",
        "traffic_cams_mean_ap50",
        "coco_val128_person_ap50",
        "coco_val128_mean_ap50",
        "one_thread_ms",
        "one_thread_cpu_ms",
    },
    "edge": {
        "cameras_per_core",
        "cameras_per_core_sub_stream",
        "event_recall",
        "ratio_vs_naive",
        "ratio_vs_ffmpeg_pipe",
        "ratio_vs_keyframe_pipe",
        "gap_p99_s",
        "pss_mb_per_camera",
        "mbit_per_camera",
    },
    "centre": {
        "sustained_alerts_per_s",
        "burst_lost",
        "duplicates",
        "fold_ratio",
        "hazards_hidden",
        "seat_hour_p50",
        "seat_10_min_max",
        "waited_past_limit",
        "alert_to_stream_p50_ms",
        "alert_to_stream_p99_ms",
        "deliveries_per_s",
        "api_p95_ms",
        "clock_late_p99_s",
    },
    "console": {
        "command_interactive_s",
        "map_fps",
        "alert_visible_p99_s",
        "base_js_kb",
        "map_js_kb",
        "axe_serious",
        "phone_usable_3g_s",
        "stray_tap_wrong_closes",
        "what_if_24_h_s",
        "case_picture_p99_s",
        "rules_in_force_p50_s",
        "rules_in_force_max_s",
    },
    "folding": {
        "fold_ratio",
        "hazards_hidden",
        "seat_hour_p50",
        "seat_10_min_max",
        "waited_past_limit",
        "baseline_groups_ratio",
    },
    "ingest": {
        "sustained_alerts_per_s",
        "burst_lost",
        "duplicates",
        "backlog_drain_s",
        "fresh_latency_p50_s",
        "fresh_latency_p99_s",
        "ingest_cpu_s_per_1000",
        "postgres_cpu_s_per_1000",
        "broker_cpu_s_per_1000",
    },
    "log": {
        "busy_own_mb_per_day",
        "calm_own_mb_per_day",
        "busy_own_looks_read_per_s",
        "calm_own_looks_read_per_s",
        "busy_sqlite_mb_per_day",
        "busy_parquet_mb_per_day",
    },
    "path": {
        "alert_latency_p50_ms",
        "alert_latency_p95_ms",
        "alert_latency_max_ms",
        "alerts_measured_count",
        "cpu_s_per_camera_minute",
    },
    "reports": {
        "alerts",
        "incidents",
        "city_p50_ms",
        "city_by_county_p50_ms",
        "slowest_report_s",
        "rolling_up_incidents_per_cpu_s",
        "rollup_mb",
    },
    "rules": {
        "clips_must_met",
        "clips_must_total",
        "clips_false_alerts",
        "synthetic_f1_standing",
        "synthetic_f1_crowd",
        "baseline_f1_standing",
        "onset_error_p95_s",
        "backtest_7_days_s",
        "rule_ms_per_observation",
        "rule_ms_per_observation_calm",
    },
}
RATIOS = {"one_thread_ratio_to_yolox_nano"}
FREELY_NAMED = {
    "areas",
    "api",
    "centre",
    "console",
    "edge",
    "folding",
    "ingest",
    "noise",
    "reports",
    "rules",
}  # counts and ratios, as they were asked for
LAST_WORDS = {"ap50", "low", "high", "ms", "count", "minute", "day", "look", "s", "observation", "share", "bytes"}


@pytest.mark.parametrize("name", command.BENCHES)
def test_every_promised_figure_has_a_key_that_ends_in_its_unit(name: str) -> None:
    keys = command.BENCHES[name].keys
    assert set(keys) >= PROMISED[name]
    units = {key.rsplit("_", 1)[-1] for key in set(keys) - PROMISED["edge"] - RATIOS}
    assert name in FREELY_NAMED or units <= LAST_WORDS
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("name", command.BENCHES)
def test_what_is_not_measured_is_null_in_the_file(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = command.BENCHES[name].keys
    asked: list[bool] = []

    def measure_one(options: argparse.Namespace, figures: Figures) -> None:
        asked.append(options.quick)
        figures[keys[0]] = 0.5

    monkeypatch.setitem(command.BENCHES, name, command.Bench(keys, measure_one))
    command.main([name, "--quick", "--json", str(tmp_path / "figures.json")])
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert asked == [True]
    assert figures == dict.fromkeys(keys) | {keys[0]: 0.5}
    assert capsys.readouterr().out.count("not measured") == len(keys) - 1


def test_a_handful_of_alerts_has_no_95th_percentile() -> None:
    few = path.latency_figures([100.0, 300.0, 200.0])
    assert few["alert_latency_p50_ms"] == 200.0
    assert few["alert_latency_p95_ms"] is None
    assert few["alert_latency_max_ms"] == 300.0
    assert path.QUICK_ALERTS < path.ALERTS_FOR_P95 <= path.FULL_ALERTS
    many = path.latency_figures([float(number) for number in range(path.ALERTS_FOR_P95)])
    assert many["alert_latency_p95_ms"] == pytest.approx(18.05)


def test_no_alert_at_all_is_a_count_of_zero_and_nothing_else() -> None:
    assert path.latency_figures([]) == {"alerts_measured_count": 0.0}


def test_without_pictures_only_the_milliseconds_are_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XUELIANG_FIXTURES", str(tmp_path / "nothing"))
    monkeypatch.setattr(detector, "QUICK_ROUNDS", 2)
    figures: Figures = dict.fromkeys(detector.KEYS)
    detector.measure(True, figures)
    assert tuple(figures) == detector.KEYS
    assert {key for key, value in figures.items() if value is not None} == {"one_thread_ms", "one_thread_cpu_ms"}


def test_the_deadline_cuts_off_whatever_runs_and_keeps_what_was_measured() -> None:
    figures: Figures = {"first": None, "second": None}
    began_mono_s = time.monotonic()
    with deadline(0.2):
        figures["first"] = 1.0
        try:
            time.sleep(30)
        except Exception:  # a fault handler on the way must not swallow it
            figures["second"] = 2.0
    assert time.monotonic() - began_mono_s < 5
    assert figures == {"first": 1.0, "second": None}


def test_a_quick_run_has_less_than_fifty_seconds_from_its_start(monkeypatch: pytest.MonkeyPatch) -> None:
    class Old:
        def create_time(self) -> float:
            return time.time() - 10

    monkeypatch.setattr(deadlines.psutil, "Process", Old)
    assert left_of_quick_s() == pytest.approx(35, abs=1)
