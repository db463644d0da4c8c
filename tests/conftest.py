"""One thread of torch for each process of a test: pytest runs two at a time, and a forked one that shares OpenMP's
threads with its parent answers seconds late."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before anything imports torch
