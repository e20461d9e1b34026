#!/bin/sh
# Managed by emperor.flask (role uwsgi_emperor); changes made here are lost.
# Starts one vassal, as the app's user. The head of its ini names, in comments, the uWSGI to run and the Python that runs it (the app's),
# the files of exports to read first, how many files each process may open, and how many bytes a file may have that one writes.
for argument; do case $argument in *.ini) ini=$argument ;; esac; done
named() { sed -n "s/^; $1 = //p" "$ini" | head -n 1; }
binary=$(named uwsgi) python=$(named python)
[ -x "$binary" ] || { echo "vassal-exec: $ini names a uWSGI that is not installed: '$binary'" >&2; exit 1; }
# A limit that is lower already stays: a container may have set it.
lower() { case $(ulimit "$1") in unlimited) ulimit "$@" ;; *) [ "$(ulimit "$1")" -le "$2" ] || ulimit "$@" ;; esac }
files=$(named files) bytes=$(named bytes)
[ -z "$files" ] || lower -n "$files" || exit 1
[ -z "$bytes" ] || lower -f "$((bytes / 512))" || exit 1 # in blocks of 512 bytes (POSIX)
# A log that has reached its limit takes nothing more, and ends nobody: uWSGI could not start beside it. Python ignores this signal too.
trap '' XFSZ
vassal=${ini##*/}
# What the app starts can be told by it, whatever it calls itself: end-vassal ends it with its vassal.
export EMPEROR_VASSAL="${vassal%.ini}"
# binary-path is what uWSGI executes when it is reloaded.
[ -z "$python" ] || set -- --binary-path "$python" "$@"
set -- "${0%/*}/app-environment" "$(named env)" "$(named secrets)" "" "" "" ${python:+"$python"} "$binary" "$@"
[ "$(named log)" != journal ] || set -- systemd-cat --identifier "$USER" "$@" # flask_app_log
exec "$@"
