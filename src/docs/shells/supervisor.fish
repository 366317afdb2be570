# Completes @PROGRAM@ in fish. Made from the tables of options and commands; do not edit.
@WITH_COMMANDS@

# The words behind the options, and before the cursor: the command, and what follows.
function __@PROGRAM@_words
    set -l option
    set -l words
    for word in (commandline -opc)[2..-1]
        if set -q words[1]
            set -a words $word
        else if set -q option[1]
            set -e option
        else
            switch $word
                case @FISH_VALUED@
                    set option $word
                case '-*'
                case '*'
                    set words $word
            end
        end
    end
    set -q words[1]; and printf '%s\n' $words
end

# Whether the command is one of these.
function __@PROGRAM@_is
    set -l words (__@PROGRAM@_words)
    set -q words[1]; and contains -- $words[1] $argv
end

# How many words stand behind the command.
function __@PROGRAM@_count
    count (__@PROGRAM@_words)[2..-1]
end

# Names that supervisord knows; nothing, and no word, where it cannot be asked.
function __@PROGRAM@_names
    set -l line (commandline -opc)
    set -l ask $line[1]
    set -l option
    for word in $line[2..-1]
        if set -q option[1]
            set -a ask $option $word
            set -e option
        else
            switch $word
                case @FISH_VALUED@
                    set option $word
                case '--*=*' @FISH_ATTACHED@
                    set -a ask $word
                case '-*'
                case '*'
                    break
            end
        end
    end
    set -l names (command $ask __complete $argv 2>/dev/null </dev/null); or return
    printf '%s\n' $names
end

@END@

complete -c @PROGRAM@ -f
@FISH_OPTIONS@
@WITH_COMMANDS@
@FISH_COMMANDS@
@FISH_ARGUMENTS@
@END@
