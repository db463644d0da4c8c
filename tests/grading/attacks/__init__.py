"""Hostile notebooks, one idea each, with the score that each must get; what they try is listed in the modules.

read      read what is hidden              deny      keep the class from being graded
spoof     spoof a result                   reach     reach out of the grader, stay on
forge     forge the notebook itself        inject    run in the page that people read
tamper    change other people's grades     wall      lie across the wall between worker and examiner

>>> from attacks import every_attack
>>> len({attack.name for attack in every_attack()}) >= 64
True

`kit` is what the attacks are written with, `course` makes the class, `harness` grades it, `evidence` is what is
looked for afterwards. `python -m attacks` prints a table.
"""

import importlib

from attacks.kit import Attack

__all__ = ["THEMES", "every_attack"]

THEMES = ("read", "spoof", "forge", "tamper", "deny", "deny_form", "reach", "inject", "wall")


def every_attack() -> list[Attack]:
    """All attacks, theme by theme, in the order in which they are written."""
    return [found for theme in THEMES for found in importlib.import_module(f"attacks.{theme}").attacks]
