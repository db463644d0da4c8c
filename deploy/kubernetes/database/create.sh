#!/bin/sh
# The two databases and their owners, made once by the image's start script. Each owner reaches its own and no other.
set -eu
psql --no-psqlrc --set ON_ERROR_STOP=1 --username "${POSTGRES_USER:-postgres}" --dbname postgres \
    --set hub_password="$HUB_PASSWORD" --set course_password="$COURSE_PASSWORD" <<'SQL'
CREATE ROLE hub LOGIN PASSWORD :'hub_password';
CREATE ROLE course LOGIN PASSWORD :'course_password';
CREATE DATABASE hub OWNER hub;
CREATE DATABASE gradebook OWNER course;
REVOKE CONNECT ON DATABASE hub, gradebook, postgres FROM PUBLIC;
SQL
