import type { CommandModel } from './model.js';
import { quote, sharedFunctions } from './shell.js';

/** A word and what it is for, as \`_describe\` wants them. */
function described(word: string, about: string): string {
  return quote(`${word.replaceAll(':', '\\:')}:${about}`);
}

/** The completion of `lance` for zsh, to be sourced or to stand as `_lance` in `$fpath`. */
export function zshCompletion(model: readonly CommandModel[]): string {
  const next = model
    .filter((command) => command.next.length > 0)
    .map(
      ({ words, next }) =>
        `    ${quote(words)}) reply=(${next.map(({ word, about }) => described(word, about)).join(' ')}) ;;`,
    );
  const flags = model.map(
    ({ words, flags }) =>
      `    ${quote(words)}) reply=(${flags.map(({ names, about }) => described(names[0] ?? '', about)).join(' ')}) ;;`,
  );
  return `#compdef lance
# Completion of lance for zsh; made by \`lance autocomplete zsh\`.
${sharedFunctions(model)}
_lance_next() {
  reply=()
  case "$1" in
${next.join('\n')}
  esac
}

_lance_flags() {
  reply=()
  case "$1" in
${flags.join('\n')}
  esac
}

# What $1 stands for.
_lance_reply() {
  case "$1" in
    @file) _files ;;
    @directory) _files -/ ;;
    @topic) compadd -- \${(f)"$(_lance_topics)"} ;;
    @*) ;;
    *) compadd -- \${=1} ;;
  esac
}

_lance() {
  local command= flag= word
  local -i given=0 i
  local -a reply
  for ((i = 2; i < CURRENT; i++)); do
    word=\${words[i]}
    if [[ -n $flag ]]; then flag=
    elif [[ $word == -* ]]; then [[ -z $(_lance_value "$command" "$word") ]] || flag=$word
    elif ((given == 0)) && _lance_is "\${command:+$command }$word"; then command=\${command:+$command }$word
    else given+=1
    fi
  done
  if [[ -n $flag ]]; then
    _lance_reply "$(_lance_value "$command" "$flag")"
  elif [[ \${words[CURRENT]} == --*=* ]]; then
    word=\${words[CURRENT]%%=*}
    compset -P '*='
    _lance_reply "$(_lance_value "$command" "$word")"
  elif [[ \${words[CURRENT]} == -* ]]; then
    _lance_flags "$command"
    _describe 'flag' reply
  else
    _lance_next "$command"
    if ((\${#reply})); then
      _describe 'command' reply
    else
      word=$(_lance_argument "$command")
      if [[ $word == \\** ]]; then _lance_reply "\${word#\\*}"
      elif ((given == 0)); then _lance_reply "$word"
      fi
    fi
  fi
}

if [[ \${funcstack[1]} == _lance ]]; then _lance "$@"; else compdef _lance lance; fi
`;
}
