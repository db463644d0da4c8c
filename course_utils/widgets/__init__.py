"""Small interactive views for the lessons, each with a static picture for pages where nothing can be clicked.

>>> from course_utils.widgets import AttentionExplorer
>>> AttentionExplorer(patterns, tokens, head=(18, 6))
"""

from course_utils.widgets.attention import AttentionExplorer
from course_utils.widgets.circuit import CircuitBuilder
from course_utils.widgets.features import FeatureDashboard
from course_utils.widgets.patching import PatchingExplorer
from course_utils.widgets.probe import ProbeExplorer
from course_utils.widgets.superposition import SuperpositionExplorer
from course_utils.widgets.threshold import ThresholdExplorer
from course_utils.widgets.trace import TraceViewer

__all__ = [
    "AttentionExplorer",
    "CircuitBuilder",
    "FeatureDashboard",
    "PatchingExplorer",
    "ProbeExplorer",
    "SuperpositionExplorer",
    "ThresholdExplorer",
    "TraceViewer",
]
