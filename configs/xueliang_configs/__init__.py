"""Everything an operator may write: models, validation, and the files they come from."""

from xueliang_configs.areas import AreaFeature, AreaTable
from xueliang_configs.cameras import CameraConfig, CameraRegister, RegisteredCamera
from xueliang_configs.centre import CentreConfig
from xueliang_configs.errors import ConfigError, ConfigsError, Problem
from xueliang_configs.loading import load_areas, load_cameras, load_centre, load_node, load_policies
from xueliang_configs.node import DetectorConfig, NodeConfig
from xueliang_configs.policies import Folding, Policy, PolicyTable
from xueliang_configs.rules import Rule

__all__ = [
    "AreaFeature",
    "AreaTable",
    "CameraConfig",
    "CameraRegister",
    "CentreConfig",
    "ConfigError",
    "ConfigsError",
    "DetectorConfig",
    "Folding",
    "NodeConfig",
    "Policy",
    "PolicyTable",
    "Problem",
    "RegisteredCamera",
    "Rule",
    "load_areas",
    "load_cameras",
    "load_centre",
    "load_node",
    "load_policies",
]
