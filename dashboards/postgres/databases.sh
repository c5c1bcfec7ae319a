#!/usr/bin/env bash
# Makes a database and its owner for MLflow and for the service. The image runs it once, on an empty
# volume. Neither owner may connect to the other's database.
set -euo pipefail

secrets=${SECRETS_DIRECTORY:-/run/secrets}

make_database() {
  psql --no-psqlrc --quiet -v ON_ERROR_STOP=1 -v name="$1" -v file="$secrets/$1_database_password" \
    --username "$POSTGRES_USER" --dbname postgres <<'SQL'
\set password `cat :'file'`
CREATE ROLE :"name" LOGIN PASSWORD :'password';
CREATE DATABASE :"name" OWNER :"name";
REVOKE CONNECT, TEMPORARY ON DATABASE :"name" FROM PUBLIC;
SQL
}

for name in mlflow grokwatch; do
  test -s "$secrets/${name}_database_password" || {
    echo "Expected a password in $secrets/${name}_database_password, got none. Try: make secrets" >&2
    exit 1
  }
  make_database "$name"
done
psql --no-psqlrc --quiet -v ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres \
  --command 'REVOKE CONNECT, TEMPORARY ON DATABASE postgres, template1 FROM PUBLIC'
