# Completes supervisorctl in fish. Made from the tables of options and commands; do not edit.

# The words behind the options, and before the cursor: the command, and what follows.
function __supervisorctl_words
    set -l option
    set -l words
    for word in (commandline -opc)[2..-1]
        if set -q words[1]
            set -a words $word
        else if set -q option[1]
            set -e option
        else
            switch $word
                case '-c' '--configuration' '-s' '--serverurl' '-u' '--username' '-p' '--password' '-r' '--history_file'
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
function __supervisorctl_is
    set -l words (__supervisorctl_words)
    set -q words[1]; and contains -- $words[1] $argv
end

# How many words stand behind the command.
function __supervisorctl_count
    count (__supervisorctl_words)[2..-1]
end

# Names that supervisord knows; nothing, and no word, where it cannot be asked.
function __supervisorctl_names
    set -l line (commandline -opc)
    set -l ask $line[1]
    set -l option
    for word in $line[2..-1]
        if set -q option[1]
            set -a ask $option $word
            set -e option
        else
            switch $word
                case '-c' '--configuration' '-s' '--serverurl' '-u' '--username' '-p' '--password' '-r' '--history_file'
                    set option $word
                case '--*=*' '-c?*' '-s?*' '-u?*' '-p?*' '-r?*'
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


complete -c supervisorctl -f
complete -c supervisorctl -n 'not __supervisorctl_words >/dev/null' -s c -l configuration -rF -d 'configuration file path (searches if not given)'
complete -c supervisorctl -n 'not __supervisorctl_words >/dev/null' -s h -l help -d 'print usage message and exit'
complete -c supervisorctl -n 'not __supervisorctl_words >/dev/null' -s i -l interactive -d 'ask before shutdown and reload, and for a password, as the shell does'
complete -c supervisorctl -n 'not __supervisorctl_words >/dev/null' -s s -l serverurl -x -d 'URL on which supervisord server is listening (default "http://localhost:9001").'
complete -c supervisorctl -n 'not __supervisorctl_words >/dev/null' -s u -l username -x -d 'username to use for authentication with server'
complete -c supervisorctl -n 'not __supervisorctl_words >/dev/null' -s p -l password -x -d 'password to use for authentication with server'
complete -c supervisorctl -n 'not __supervisorctl_words >/dev/null' -s r -l history_file -rF -d 'keep the commands of the shell in FILENAME (also --history-file)'
complete -c supervisorctl -n 'not __supervisorctl_words >/dev/null' -a add -d 'Activates any updates in config for process/group'
complete -c supervisorctl -n 'not __supervisorctl_words >/dev/null' -a avail -d 'Display all configured processes'
complete -c supervisorctl -n 'not __supervisorctl_words >/dev/null' -a clear -d 'Clear a process\' log files.'
complete -c supervisorctl -n 'not __supervisorctl_words >/dev/null' -a describe -d 'Tell all that is known of a process, with the last lines of its logs'
complete -c supervisorctl -n 'not __supervisorctl_words >/dev/null' -a doctor -d 'Say what is off with the daemon, its unit and its surroundings, and what helps'
complete -c supervisorctl -n 'not __supervisorctl_words >/dev/null' -a exit -d 'Exit the supervisor shell.'
complete -c supervisorctl -n 'not __supervisorctl_words >/dev/null' -a fg -d 'Connect to a process in foreground mode'
complete -c supervisorctl -n 'not __supervisorctl_words >/dev/null' -a help -d 'Print a list of available actions'
complete -c supervisorctl -n 'not __supervisorctl_words >/dev/null' -a logs -d 'Show the last lines of both logs of processes, each line with the name of its process'
complete -c supervisorctl -n 'not __supervisorctl_words >/dev/null' -a maintail -d 'Continuous tail of supervisor main log file (Ctrl-C to exit)'
complete -c supervisorctl -n 'not __supervisorctl_words >/dev/null' -a open -d 'Connect to a remote supervisord process.'
complete -c supervisorctl -n 'not __supervisorctl_words >/dev/null' -a pid -d 'Get the PID of supervisord.'
complete -c supervisorctl -n 'not __supervisorctl_words >/dev/null' -a quit -d 'Exit the supervisor shell.'
complete -c supervisorctl -n 'not __supervisorctl_words >/dev/null' -a reexec -d 'Let the installed supervisord take over in place; every process goes on'
complete -c supervisorctl -n 'not __supervisorctl_words >/dev/null' -a reload -d 'Restart the remote supervisord.'
complete -c supervisorctl -n 'not __supervisorctl_words >/dev/null' -a remove -d 'Removes process/group from active config'
complete -c supervisorctl -n 'not __supervisorctl_words >/dev/null' -a reread -d 'Reload the daemon\'s configuration files without add/remove'
complete -c supervisorctl -n 'not __supervisorctl_words >/dev/null' -a restart -d 'Restart a process'
complete -c supervisorctl -n 'not __supervisorctl_words >/dev/null' -a shutdown -d 'Shut the remote supervisord down.'
complete -c supervisorctl -n 'not __supervisorctl_words >/dev/null' -a signal -d 'Signal a process'
complete -c supervisorctl -n 'not __supervisorctl_words >/dev/null' -a start -d 'Start a process'
complete -c supervisorctl -n 'not __supervisorctl_words >/dev/null' -a status -d 'Get status for a single process'
complete -c supervisorctl -n 'not __supervisorctl_words >/dev/null' -a stop -d 'Stop a process'
complete -c supervisorctl -n 'not __supervisorctl_words >/dev/null' -a tail -d 'Continuous tail of named process stdout'
complete -c supervisorctl -n 'not __supervisorctl_words >/dev/null' -a update -d 'Reload config and add/remove as necessary, and will restart affected programs'
complete -c supervisorctl -n 'not __supervisorctl_words >/dev/null' -a version -d 'Show the version of the remote supervisord process'
complete -c supervisorctl -n '__supervisorctl_is add' -a '(__supervisorctl_names groups)'
complete -c supervisorctl -n '__supervisorctl_is avail' -l json -d 'The same as JSON, for programs'
complete -c supervisorctl -n '__supervisorctl_is clear' -a '(__supervisorctl_names targets)'
complete -c supervisorctl -n '__supervisorctl_is describe' -a '(__supervisorctl_names targets)'
complete -c supervisorctl -n '__supervisorctl_is fg' -a '(__supervisorctl_names targets)'
complete -c supervisorctl -n '__supervisorctl_is help; and test (__supervisorctl_count) -eq 0' -a 'add avail clear describe doctor exit fg help logs maintail open pid quit reexec reload remove reread restart shutdown signal start status stop tail update version'
complete -c supervisorctl -n '__supervisorctl_is logs' -s f -d 'Follow them: every line as it comes (Ctrl-C to exit)'
complete -c supervisorctl -n '__supervisorctl_is logs' -s n -x -d 'So many of the last lines, instead of 10'
complete -c supervisorctl -n '__supervisorctl_is logs' -a '(__supervisorctl_names targets)'
complete -c supervisorctl -n '__supervisorctl_is maintail' -s f -d 'follow'
complete -c supervisorctl -n '__supervisorctl_is pid' -a '(__supervisorctl_names targets)'
complete -c supervisorctl -n '__supervisorctl_is remove' -a '(__supervisorctl_names groups)'
complete -c supervisorctl -n '__supervisorctl_is restart; and string match -q -- "-*" (commandline -ct)' -a '--wait=' -d 'Wait so many seconds at the most, and tell what became of it'
complete -c supervisorctl -n '__supervisorctl_is restart' -a '(__supervisorctl_names targets)'
complete -c supervisorctl -n '__supervisorctl_is shutdown; and string match -q -- "-*" (commandline -ct)' -a '--wait=' -d 'Wait so many seconds at the most, and tell what became of it'
complete -c supervisorctl -n '__supervisorctl_is signal; and test (__supervisorctl_count) -eq 0' -a 'HUP INT QUIT ILL TRAP ABRT BUS FPE KILL USR1 SEGV USR2 PIPE ALRM TERM STKFLT CHLD CONT STOP TSTP TTIN TTOU URG XCPU XFSZ VTALRM PROF WINCH POLL PWR SYS'
complete -c supervisorctl -n '__supervisorctl_is signal; and test (__supervisorctl_count) -gt 0' -a '(__supervisorctl_names targets)'
complete -c supervisorctl -n '__supervisorctl_is start; and string match -q -- "-*" (commandline -ct)' -a '--wait=' -d 'Wait so many seconds at the most, and tell what became of it'
complete -c supervisorctl -n '__supervisorctl_is start' -a '(__supervisorctl_names targets)'
complete -c supervisorctl -n '__supervisorctl_is status' -l json -d 'The same as JSON, for programs'
complete -c supervisorctl -n '__supervisorctl_is status' -l watch -d 'Show it as it changes (Ctrl-C to exit)'
complete -c supervisorctl -n '__supervisorctl_is status' -a '(__supervisorctl_names targets)'
complete -c supervisorctl -n '__supervisorctl_is stop; and string match -q -- "-*" (commandline -ct)' -a '--wait=' -d 'Wait so many seconds at the most, and tell what became of it'
complete -c supervisorctl -n '__supervisorctl_is stop' -a '(__supervisorctl_names targets)'
complete -c supervisorctl -n '__supervisorctl_is tail' -s f -d 'follow'
complete -c supervisorctl -n '__supervisorctl_is tail' -a '(__supervisorctl_names processes)'
complete -c supervisorctl -n '__supervisorctl_is tail; and test (__supervisorctl_count) -gt 0' -a 'stdout stderr'
complete -c supervisorctl -n '__supervisorctl_is update' -a '(__supervisorctl_names groups)'
