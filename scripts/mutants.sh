#!/bin/bash
# Change the code of a room, one place at a time, and tell which changes no unit test notices: mutants.sh ROOM [EVERY].
# ROOM is one of plugins/module_utils/; of its mutants every EVERY-th is tried (20), for each takes seconds. Works in a clone of its own.
set -euo pipefail
cd "$(dirname "$0")/.."
room=${1:-vassal} every=${2:-20}
root=$PWD/.ansible/mutants
pytest=$PWD/.venv/bin/pytest
rm -rf "$root/clone"
mkdir -p "$root"
python3 -m venv "$root/venv"
"$root/venv/bin/pip" install --quiet cosmic-ray==8.7.0
git clone --quiet . "$root/clone"
cp -a .ansible/collections "$root/clone/.ansible-collections"
mkdir "$root/clone/.ansible"
mv "$root/clone/.ansible-collections" "$root/clone/.ansible/collections"
cd "$root/clone"
cat >mutants.toml <<END
[cosmic-ray]
module-path = "plugins/module_utils/$room"
timeout = 120.0
excluded-modules = []
test-command = "$pytest -x -q -p no:cacheprovider tests/unit/plugins/module_utils/$room"
[cosmic-ray.distributor]
name = "local"
END
"$root/venv/bin/cosmic-ray" init mutants.toml mutants.sqlite
python3 - "$every" <<'END'
import sqlite3
import sys

with sqlite3.connect("mutants.sqlite") as session:
    # The | of an annotation is code to cosmic-ray, and nothing runs it.
    found = session.execute(
        "select job_id from mutation_specs where operator_name not like '%BitOr%' "
        "order by module_path, start_pos_row, start_pos_col, operator_name, occurrence"
    ).fetchall()
    kept = [job for (job,) in found[:: int(sys.argv[1])]]
    print(f"mutants: {len(kept)} of {len(found)} are tried", flush=True)
    for table in ("mutation_specs", "work_items"):
        marks = ",".join("?" * len(kept))
        session.execute(f"delete from {table} where job_id not in ({marks})", kept)
END
"$root/venv/bin/cosmic-ray" exec mutants.toml mutants.sqlite
"$root/venv/bin/cr-report" mutants.sqlite --show-diff --surviving-only
