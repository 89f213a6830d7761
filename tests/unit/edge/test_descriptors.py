"""How many files a node's processes need, and what is said when they may not have them."""

from __future__ import annotations

from xueliang_edge.descriptors import A_CAMERA, OF_ITS_OWN, needed_by, too_few


def test_the_largest_capture_process_or_the_node_itself_needs_most() -> None:
    assert needed_by(cameras_per_process=16, processes=5) == OF_ITS_OWN + 16 * A_CAMERA
    assert needed_by(cameras_per_process=1, processes=65) == OF_ITS_OWN + 130


def test_what_is_said_adds_up_and_names_what_fits() -> None:
    said = too_few(64, cameras_per_process=40, processes=2)
    assert "40 cameras needs 112: 32 of its own and 2 for each camera" in said
    assert "LimitNOFILE=112" in said
    assert "cameras_per_process to 16" in said
    assert needed_by(cameras_per_process=16, processes=4) == 64
    assert "cameras_per_process" not in too_few(32, cameras_per_process=40, processes=2), "no number would do"


def test_many_small_processes_are_the_nodes_own_need() -> None:
    assert "this node needs 162: 32 of its own and 2 for each of its 65 processes" in too_few(
        64, cameras_per_process=1, processes=65
    )
