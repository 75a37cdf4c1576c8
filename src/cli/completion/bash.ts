import type { CommandModel } from './model.js';
import { quote, sharedFunctions } from './shell.js';

/** The completion of `lance` for bash 4 and newer. */
export function bashCompletion(model: readonly CommandModel[]): string {
  const next = model
    .filter((command) => command.next.length > 0)
    .map(
      ({ words, next }) => `    ${quote(words)}) echo ${quote(next.map(({ word }) => word).join(' '))} ;;`,
    );
  const flags = model.map(
    ({ words, flags }) =>
      `    ${quote(words)}) echo ${quote(flags.map(({ names }) => names[0]).join(' '))} ;;`,
  );
  return `# Completion of lance for bash; made by \`lance autocomplete bash\`.
${sharedFunctions(model)}
_lance_next() {
  case "$1" in
${next.join('\n')}
  esac
}

_lance_flags() {
  case "$1" in
${flags.join('\n')}
  esac
}

# What $1 stands for, among words that begin with $2.
_lance_reply() {
  case "$1" in
    @file) compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -f -- "$2")) ;;
    @directory) compopt -o filenames 2>/dev/null; COMPREPLY=($(compgen -d -- "$2")) ;;
    @topic) COMPREPLY=($(compgen -W "$(_lance_topics)" -- "$2")) ;;
    @*) ;;
    *) COMPREPLY=($(compgen -W "$1" -- "$2")) ;;
  esac
}

_lance() {
  local IFS=$' \\t\\n' cur=\${COMP_WORDS[COMP_CWORD]} command= given=0 flag= word i
  COMPREPLY=()
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    if [[ $word == = ]]; then continue
    elif [[ -n $flag ]]; then flag=
    elif [[ $word == -* ]]; then [[ -z $(_lance_value "$command" "$word") ]] || flag=$word
    elif ((given == 0)) && _lance_is "\${command:+$command }$word"; then command=\${command:+$command }$word
    else given=$((given + 1))
    fi
  done
  # bash takes --format=json apart at the =.
  [[ $cur != = ]] || cur=
  if [[ -n $flag ]]; then
    _lance_reply "$(_lance_value "$command" "$flag")" "$cur"
  elif [[ $cur == -* ]]; then
    COMPREPLY=($(compgen -W "$(_lance_flags "$command")" -- "$cur"))
  elif [[ -n $(_lance_next "$command") ]]; then
    COMPREPLY=($(compgen -W "$(_lance_next "$command")" -- "$cur"))
  else
    word=$(_lance_argument "$command")
    if [[ $word == \\** ]]; then _lance_reply "\${word#\\*}" "$cur"
    elif ((given == 0)); then _lance_reply "$word" "$cur"
    fi
  fi
}
complete -F _lance lance
`;
}
