# Managed by emperor.flask (role uwsgi_emperor); changes made here are lost.
# Completion of flask-app for bash: its options, the apps of this host, and what it knows of an app.
# shellcheck shell=bash
_flask_app() {
    local word=${COMP_WORDS[COMP_CWORD]} apps=()
    case $COMP_CWORD in
        1)
            mapfile -t apps < <(cd /etc/uwsgi/vassals 2>/dev/null && ls)
            mapfile -t COMPREPLY < <(compgen -W "${apps[*]} --doctor --json --metrics --help" -- "$word")
            ;;
        2) mapfile -t COMPREPLY < <(compgen -W "logs releases restart flask" -- "$word") ;;
        *) [ "${COMP_WORDS[2]}" != logs ] || mapfile -t COMPREPLY < <(compgen -W "--follow --since" -- "$word") ;;
    esac
}
complete -F _flask_app flask-app
