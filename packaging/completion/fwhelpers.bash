# bash completion for fwhelpers, made by `fwhelpers completion bash`
_fwhelpers() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command="" word words
    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
        case $word in run|check|status|expectations|enable|disable|reload|list|ruleset|counters|monitor|replay|register|release|unregister|zones|firewalld-files|import-conntrackd|completion) command=$word; break ;; esac
    done
    case $prev in
        --config|--rules|--output) compopt -o filenames
            mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
        --helper|--port) return ;;
    esac
    case $command in
        "") words="run check status expectations enable disable reload list ruleset counters monitor replay register release unregister zones firewalld-files import-conntrackd completion --help --version" ;;
        run) words="--help --config" ;;
        check) words="--help --config --json" ;;
        status) words="--help --json" ;;
        expectations) words="--help --helper --json" ;;
        enable) words="--help --persist --json" ;;
        disable) words="--help --persist --json" ;;
        reload) words="--help --json" ;;
        list) words="--help --config --json" ;;
        ruleset) words="--help --config" ;;
        counters) words="--help --json" ;;
        monitor) words="--help --kernel --json" ;;
        replay) words="--help --helper --port --config --json" ;;
        register) words="--help --config --no-pin" ;;
        release) words="--help" ;;
        unregister) words="--help" ;;
        zones) words="--help --config --json" ;;
        firewalld-files) words="--help --helper" ;;
        import-conntrackd) words="--help --rules --output" ;;
        completion) words="bash zsh fish --help" ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
    if [[ $command == @(replay|firewalld-files|import-conntrackd) && $cur != -* ]]; then
        compopt -o filenames
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
    fi
}
complete -F _fwhelpers fwhelpers
