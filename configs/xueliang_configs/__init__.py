"""Everything an operator may write: models, validation, and the files they come from."""

from xueliang_configs.areas import AreaFeature, AreaTable
from xueliang_configs.cameras import CameraConfig, CameraRegister, CameraRules, RegisteredCamera, RulesFile
from xueliang_configs.centre import CentreConfig
from xueliang_configs.errors import ConfigError, ConfigsError, Problem
from xueliang_configs.lanes import LaneTable, RegisteredLane
from xueliang_configs.loading import (
    NodeFile,
    load_areas,
    load_cameras,
    load_centre,
    load_lanes,
    load_node,
    load_policies,
    load_rules,
    read_node,
)
from xueliang_configs.node import DetectorConfig, NodeConfig
from xueliang_configs.policies import Folding, Policy, PolicyTable
from xueliang_configs.rules import Rule

__all__ = [
    "AreaFeature",
    "AreaTable",
    "CameraConfig",
    "CameraRegister",
    "CameraRules",
    "CentreConfig",
    "ConfigError",
    "ConfigsError",
    "DetectorConfig",
    "Folding",
    "LaneTable",
    "NodeConfig",
    "NodeFile",
    "Policy",
    "PolicyTable",
    "Problem",
    "RegisteredCamera",
    "RegisteredLane",
    "Rule",
    "RulesFile",
    "load_areas",
    "load_cameras",
    "load_centre",
    "load_lanes",
    "load_node",
    "load_policies",
    "load_rules",
    "read_node",
]
