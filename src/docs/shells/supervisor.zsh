#compdef @PROGRAM@
# Completes @PROGRAM@ in zsh. Made from the tables of options and commands; do not edit.
@WITH_COMMANDS@

# Names that supervisord knows; nothing, and no word, where it cannot be asked.
_@PROGRAM@_names() {
    local names
    local -a ask=("$program")
    local key
    for key in "${(@k)opt_args}"; do
        case $key in
            (@VALUED@) ask+=("$key" "${opt_args[$key]//\\:/:}") ;;
        esac
    done
    names=$(command "${ask[@]}" __complete "$1" 2>/dev/null </dev/null) || return 1
    compadd -- "${(@f)names}"
}
@END@

_@PROGRAM@() {
    local curcontext=$curcontext state line program=${~words[1]}
    local -A opt_args
@WITH_COMMANDS@
    local -a commands=(
@ZSH_COMMANDS@
    )
@END@
    _arguments -C -S \
@ZSH_OPTIONS@
@WITH_COMMANDS@
    case $state in
        command) _describe -t commands command commands ;;
        argument)
            case $words[1] in
@ZSH_ARGUMENTS@
            esac
            ;;
    esac
@END@
}

_@PROGRAM@ "$@"
