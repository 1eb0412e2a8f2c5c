"""A tree of commands -> the scripts by which bash, zsh and fish complete them.

The scripts are complete in themselves: pressing a key starts no Python.
"""

from ncore.cli.command_tree import CommandNode, Option


def bash_script(root: CommandNode) -> str:
    """Return the script for bash 3.2 and later."""
    name = root.path[0]
    lines = [
        f"# bash completion of {name}; made by `{name} completion bash`.",
        f"_{name}() {{",
        "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}",
        f"    local at={name} words= i",
        "    COMPREPLY=()",
        "    # --flag=value comes as three words.",
        "    if [[ $cur == = ]]; then",
        "        cur=",
        "    elif [[ $prev == = ]]; then",
        "        prev=${COMP_WORDS[COMP_CWORD-2]}",
        "    fi",
        "    for ((i = 1; i < COMP_CWORD; i++)); do",
        '        case "$at ${COMP_WORDS[i]}" in',
        f'            {_any(_nodes(root))}) at+=" ${{COMP_WORDS[i]}}" ;;',
        "        esac",
        "    done",
        '    case "$at $prev" in',
    ]
    plain = []
    for node in root.walk():
        for option in node.options:
            places = [f"{' '.join(node.path)} {flag}" for flag in option.names]
            if option.choices:
                lines.append(
                    f"        {_any(places)}) words={_quoted(' '.join(option.choices))} ;;"
                )
            elif option.value is not None:
                plain += places
    # With no words, readline completes file names.
    lines += [f"        {_any(plain)}) return ;;"] if plain else []
    lines += ["    esac", "    if [[ -z $words ]]; then", '        case "$at|$cur" in']
    for node in root.walk():
        at = " ".join(node.path)
        flags = " ".join(flag for option in node.options for flag in option.names)
        lines.append(f"            {_quoted(at + '|-')}*) words={_quoted(flags)} ;;")
        below = " ".join([child.path[-1] for child in node.children] or node.choices)
        if below:
            lines.append(f"            {_quoted(at + '|')}*) words={_quoted(below)} ;;")
    lines += [
        "        esac",
        "    fi",
        '    COMPREPLY=($(compgen -W "$words" -- "$cur"))',
        "}",
        f"complete -o default -F _{name} {name}",
    ]
    return "\n".join(lines) + "\n"


def zsh_script(root: CommandNode) -> str:
    """Return the script for zsh 5 and later: to be evaluated, or to lie in ``$fpath``."""
    name = root.path[0]
    lines = [f"#compdef {name}", f"# zsh completion of {name}; made by `{name} completion zsh`."]
    for node in root.walk():
        function = "_" + "_".join(node.path)
        specs = [_zsh_option(option) for option in node.options]
        lines += ["", f"{function}() {{"]
        if not node.children:
            rest = f"({' '.join(node.choices)})" if node.choices else "_files"
            specs.append(_quoted(f"*:argument:{rest}"))
            lines += ["    _arguments -s \\", *_continued(specs), "}"]
            continue
        specs += [_quoted("1:command:->command"), _quoted("*::argument:->argument")]
        lines += [
            "    local curcontext=$curcontext state line",
            "    typeset -A opt_args",
            "    _arguments -C \\",
            *_continued(specs),
            "    case $state in",
            "        command)",
            "            local -a commands=(",
            *(
                f"                {_quoted(f'{child.path[-1]}:{child.summary}')}"
                for child in node.children
            ),
            "            )",
            "            _describe command commands ;;",
            "        argument)",
            "            case $line[1] in",
            *(
                f"                {child.path[-1]}) {function}_{child.path[-1]} ;;"
                for child in node.children
            ),
            "            esac ;;",
            "    esac",
            "}",
        ]
    lines += [
        "",
        f"if [[ $funcstack[1] == _{name} ]]; then",
        f'    _{name} "$@"',
        "else",
        f"    compdef _{name} {name}",
        "fi",
    ]
    return "\n".join(lines) + "\n"


def fish_script(root: CommandNode) -> str:
    """Return the script for fish 3 and later."""
    name = root.path[0]
    lines = [
        f"# fish completion of {name}; made by `{name} completion fish`.",
        f"function __{name}_at",
        f"    set -l at {name}",
        "    for word in (commandline -opc)[2..-1]",
        '        switch "$at $word"',
        f"            case {' '.join(map(_quoted, _nodes(root)))}",
        '                set at "$at $word"',
        "        end",
        "    end",
        '    test "$at" = "$argv[1]"',
        "end",
    ]
    for node in root.walk():
        here = f'complete -c {name} -n "__{name}_at {_quoted(" ".join(node.path))}"'
        for child in node.children:
            lines.append(f"{here} -f -a {child.path[-1]} -d {_fish(child.summary)}")
        if node.choices:
            lines.append(f"{here} -f -a {_fish(' '.join(node.choices))}")
        for option in node.options:
            flags = " ".join(
                f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}"
                for flag in option.names
            )
            value = ""
            if option.choices:
                value = f" -x -a {_fish(' '.join(option.choices))}"
            elif option.value is not None:
                value = " -r"
            lines.append(f"{here} {flags}{value} -d {_fish(option.summary)}")
    return "\n".join(lines) + "\n"


def _nodes(root: CommandNode) -> list[str]:
    return [" ".join(node.path) for node in root.walk() if node is not root]


def _any(patterns: list[str]) -> str:
    return " | ".join(map(_quoted, patterns))


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _fish(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _continued(words: list[str]) -> list[str]:
    return [f"        {word} \\" for word in words[:-1]] + [f"        {words[-1]}"]


def _zsh_option(option: Option) -> str:
    summary = option.summary.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]")
    value = ""
    if option.value is not None:
        what = option.value.replace("\\", "\\\\").replace(":", "\\:")
        value = f":{what}:" + (f"({' '.join(option.choices)})" if option.choices else "_files")
    repeats = "*" if option.repeats else ""
    alone = "" if option.repeats else f"({' '.join(option.names)})"
    return " ".join(_quoted(f"{repeats}{alone}{flag}[{summary}]{value}") for flag in option.names)
