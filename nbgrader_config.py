# nbgrader's settings for this course. Every nbgrader command that is started in this folder reads them.
from pathlib import Path

c = get_config()
here = Path(__file__).resolve().parent

c.CourseDirectory.course_id = "agai302"
c.CourseDirectory.root = str(here)
# Where `release_assignment` puts lessons and `submit` leaves submissions: inside the course folder, so that one
# person on one machine needs no set-up. A hub sets its own.
c.Exchange.root = str(here / ".exchange")
# One time zone for every submission's time stamp, so that late ones sort rightly.
c.Exchange.timezone = "UTC"

# Cells tagged `demo` (figures, sweeps, widgets, try-it cells) are for reading: skip them when validating and grading, so
# that a submission costs what its exercises cost.
c.ExecutePreprocessor.skip_cells_with_tag = "demo"
# Seconds for one cell before it counts as failed; an exercise is made to need under 5.
c.ExecutePreprocessor.timeout = 120
# What stands where the solution was. `...` is valid Python, so a half-done notebook still runs and says what is missing.
c.ClearSolutions.code_stub = {"python": "...  # YOUR CODE HERE"}
