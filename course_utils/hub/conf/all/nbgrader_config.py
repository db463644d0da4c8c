# nbgrader on a student's server: the exchange is a service of the Hub, and Validate does what grading does.
import os

from course_utils.exchange import configure_student

c = get_config()
c.CourseDirectory.course_id = os.environ["COURSE_ID"]
configure_student(c)
c.ExecutePreprocessor.skip_cells_with_tag = "demo"
c.ExecutePreprocessor.timeout = 120
c.ConnectionFileMixin.transport = "ipc"  # the kernel of Validate, as those of notebooks
