# Completes @PROGRAM@ in bash. Made from the tables of options and commands; do not edit.

_@PROGRAM@_add() {
    local candidate
    for candidate; do
        [[ $candidate != "$cur"* ]] || COMPREPLY+=("$candidate")
    done
}

_@PROGRAM@_compgen() {
    local candidate
    while IFS= read -r candidate; do
        COMPREPLY+=("$candidate")
    done < <(compgen "$1" -- "$cur")
    [[ $1 == -u ]] || compopt -o filenames 2>/dev/null
}

# The value of an option.
_@PROGRAM@_value() {
    case $1 in
@BASH_VALUES@
    esac
}
@WITH_COMMANDS@

# Names that supervisord knows; nothing, and no word, where it cannot be asked.
_@PROGRAM@_names() {
    local names name
    names=$(command "${ask[@]}" __complete "$1" 2>/dev/null </dev/null) || return 0
    while IFS= read -r name; do
        _@PROGRAM@_add "$name"
    done <<<"$names"
}

# What stands behind a command; the number of words before it is $2.
_@PROGRAM@_argument() {
    case $1 in
@BASH_ARGUMENTS@
    esac
}
@END@

_@PROGRAM@() {
    local line=${COMP_LINE:0:COMP_POINT} option="" command="" cur word
    local -i count=0 last i
    local -a words=()
@WITH_COMMANDS@
    local -a ask=("${1/#\~\//$HOME/}")
@END@
    COMPREPLY=()
    # The line and not COMP_WORDS, which is broken at every colon.
    read -ra words <<<"$line"
    [[ $line != *[[:blank:]] ]] || words+=("")
    last=$((${#words[@]} - 1))
    cur=${words[last]}
    for ((i = 1; i < last; i++)); do
        word=${words[i]}
        if [[ -n $command ]]; then
            count+=1
        elif [[ -n $option ]]; then
@WITH_COMMANDS@
            ask+=("$option" "$word")
@END@
            option=""
        else
            case $word in
                @VALUED@) option=$word ;;
@WITH_COMMANDS@
                --*=* | -[@SHORTS@]?*) ask+=("$word") ;;
@END@
                -*) ;;
                *) command=$word ;;
            esac
        fi
    done
    local head=""
    if [[ -n $command ]]; then
        @ARGUMENT@
    elif [[ -n $option ]]; then
        _@PROGRAM@_value "$option"
    elif [[ $cur == --*=* ]]; then
        option=${cur%%=*} head=$option=
        cur=${cur#*=}
        _@PROGRAM@_value "$option"
        [[ $COMP_WORDBREAKS == *=* ]] || COMPREPLY=("${COMPREPLY[@]/#/$head}")
        return
    elif [[ $cur == -* ]]; then
        _@PROGRAM@_add @OPTIONS@
@WITH_COMMANDS@
    else
        _@PROGRAM@_add @COMMANDS@
@END@
    fi
    # bash has what is before the last of these already.
    for word in : =; do
        if [[ $cur == *"$word"* && $COMP_WORDBREAKS == *"$word"* ]]; then
            head=${cur%"$word"*}$word
            COMPREPLY=("${COMPREPLY[@]#"$head"}")
            cur=${cur#"$head"}
        fi
    done
    [[ ${#COMPREPLY[@]} != 1 || ${COMPREPLY[0]} != *= ]] || compopt -o nospace 2>/dev/null
}

complete -F _@PROGRAM@ @PROGRAM@
