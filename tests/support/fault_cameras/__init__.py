"""Cameras that misbehave on demand, for the fault rows F01 to F10.

    with CameraHost() as host:
        camera = host.camera(cloud_clip(path), BitFlips(0.001, seed=7), Late("SETUP", 2.0))
        with watching(camera.url, "own") as source: ...

Faults are on from the start (`is_faulty=False`: later, by `start`); `stop` ends one, `describe` says what it does.
"""

from tests.support.fault_cameras.camera import CameraHost, FaultCamera
from tests.support.fault_cameras.fault import HANDSHAKE, Fault

__all__ = ["HANDSHAKE", "CameraHost", "Fault", "FaultCamera"]
