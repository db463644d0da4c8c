"""What can go wrong in a way that a user can mend.

CourseError
├── ModelError        a model is missing, damaged or unknown
├── LessonError       a lesson or its release is missing or malformed
├── ClassError        a class directory, an exchange or a submission is not as it should be
├── SandboxError      submissions cannot be shut in on this machine
└── ClusterError      the processes that examine submissions cannot be reached, or are not like this one

Each carries one message: what was expected, what came, what to do. The `course` command prints it without a traceback.
"""

__all__ = ["ClassError", "ClusterError", "CourseError", "LessonError", "ModelError", "SandboxError"]


class CourseError(Exception):
    """Base of every error that tells its reader what to do."""


class ModelError(CourseError):
    """A model is missing, damaged or unknown."""


class LessonError(CourseError):
    """A lesson or its release is missing or malformed."""


class ClassError(CourseError):
    """A class directory, an exchange or a submission is not as it should be."""


class SandboxError(CourseError):
    """Submissions cannot be shut in on this machine, or not as configured."""


class ClusterError(CourseError):
    """The processes that examine submissions cannot be reached, or are not like this one."""
