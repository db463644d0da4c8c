"""The grading wing: everything that runs, scores or gates a submission or a lesson.

`nbgrader_config.py` and the `course` command import from here; lessons never do, and nothing here imports a
lesson. This file imports nothing, so that each door loads only what it needs.
"""
