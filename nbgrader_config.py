# nbgrader's settings for this course. Every nbgrader command that is started in this folder reads them.
import os
import sysconfig
from pathlib import Path

c = get_config()
here = Path(__file__).resolve().parent

c.CourseDirectory.course_id = "agai302"
c.CourseDirectory.root = str(here)
# To make a gradebook, nbgrader calls `alembic` by its bare name: found even if no environment is activated.
scripts, path = sysconfig.get_path("scripts"), os.environ.get("PATH", "")
if path.split(os.pathsep)[0] != scripts:  # these settings may be read many times in one process
    os.environ["PATH"] = os.pathsep.join([scripts, path])
# Where `release_assignment` puts lessons and `submit` leaves submissions: inside the course folder, so that
# one person on one machine needs no set-up. A hub sets its own.
c.Exchange.root = str(here / ".exchange")
# One person who plays student and instructor owns every submission; a hub, where a submission's owner is its
# student, turns this check on.
c.ExchangeCollect.check_owner = False
# One time zone for every submission's time stamp, so that late ones sort rightly.
c.Exchange.timezone = "UTC"

# Where the gradebook is, if not in gradebook.db here (deploy/kubernetes/ sets it; the password comes from $PGPASSWORD).
if gradebook := os.environ.get("COURSE_GRADEBOOK_URL"):
    c.CourseDirectory.db_url = gradebook

# Cells tagged `demo` (figures, sweeps, widgets, try-it cells) are for reading: skip them when validating and
# grading, so that a submission costs what its exercises cost.
c.ExecutePreprocessor.skip_cells_with_tag = "demo"
# Seconds for one cell before it counts as failed; an exercise is made to need under 5.
c.ExecutePreprocessor.timeout = 120
# What stands where the solution was: valid Python, so a half-done notebook runs and says what is missing.
c.ClearSolutions.code_stub = {"python": "...  # YOUR CODE HERE"}

# Submissions run in a sandbox, and their tests in a process that they cannot reach.
from course_utils.grading import configure  # noqa: E402

configure(c)
