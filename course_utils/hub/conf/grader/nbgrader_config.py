# nbgrader where formgrader runs, on top of the course's own nbgrader_config.py: its exchange stays closed.
from course_utils.exchange import configure_course

c = get_config()
configure_course(c)
