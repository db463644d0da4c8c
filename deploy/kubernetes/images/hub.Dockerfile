# The chart's own image of the Hub, and the few files that say who may do what. Build it in the repository's folder:
#   docker build -f deploy/kubernetes/images/hub.Dockerfile -t registry.example.edu/agai302-hub:0.1.0 .
FROM quay.io/jupyterhub/k8s-hub:4.2.0

COPY course_utils/__init__.py course_utils/errors.py /opt/agai302/course_utils/
COPY course_utils/exchange/__init__.py course_utils/exchange/frame.py course_utils/exchange/store.py /opt/agai302/course_utils/exchange/
COPY course_utils/hub /opt/agai302/course_utils/hub
ENV PYTHONPATH=/opt/agai302
