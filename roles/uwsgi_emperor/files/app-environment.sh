#!/bin/sh
# Managed by emperor.flask (role uwsgi_emperor); changes made here are lost.
# Runs a command of an app: app-environment ENV SECRETS VENV PYTHONPATH FOLDER COMMAND [ARGUMENT...], each of the first five may be empty.
# The one place where the files of exports are read. Only positional parameters are used after that: an app may call a variable anything.
umask 027
# UTF-8 whatever the host's locale; the app may say otherwise.
unset LC_ALL LC_CTYPE
export LANG=C.UTF-8
# shellcheck source=/dev/null
[ -z "$1" ] || . "$1" || exit 1
# shellcheck source=/dev/null
[ -z "$2" ] || . "$2" || exit 1
[ -z "$3" ] || export PATH="$3/bin:$PATH" VIRTUAL_ENV="$3"
[ -z "$4" ] || export PYTHONPATH="$4${PYTHONPATH:+:$PYTHONPATH}"
[ -z "$5" ] || cd "$5" || exit 1
shift 5
exec "$@"
