# nbgrader on a student's own machine: Validate does what grading does with the tests that you can see.
c = get_config()
c.CourseDirectory.course_id = "agai302"
c.ExecutePreprocessor.skip_cells_with_tag = "demo"  # figures and try-it cells are for reading
c.ExecutePreprocessor.timeout = 120
