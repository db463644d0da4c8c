"""How fast the grader is, beside others, and where its time goes: `course bench`."""
