"""The scripts that made the trained weights in `course_utils/assets`; `make assets` runs them again."""
