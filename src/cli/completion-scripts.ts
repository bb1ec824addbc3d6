import type { Shell } from "./completion.js";

/**
 * Each asks `tokenlense completion <shell> -- <words up to the cursor>`, one candidate a line, and leaves it to the shell
 * to complete file names where there is none. The words are passed as they are and never evaluated.
 */
export const scripts: Readonly<Record<Shell, string>> = {
  bash: `# tokenlense: completion for bash
_tokenlense() {
  local line
  COMPREPLY=()
  while IFS= read -r line; do
    COMPREPLY+=("$line")
  done < <("$1" completion bash -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
}
complete -o default -F _tokenlense tokenlense
`,
  zsh: `#compdef tokenlense
# tokenlense: completion for zsh
_tokenlense() {
  local -a lines
  lines=("\${(@f)$("$words[1]" completion zsh -- "\${(@)words[2,CURRENT]}" 2>/dev/null)}")
  if [[ -n "$lines" ]]; then
    _describe tokenlense lines
  else
    compset -P '--*='
    _files
  fi
}
if [[ "$funcstack[1]" == _tokenlense ]]; then
  _tokenlense "$@"
else
  compdef _tokenlense tokenlense
fi
`,
  fish: `# tokenlense: completion for fish
function __tokenlense_complete
  set -l words (commandline -opc)
  set -l current (commandline -ct)
  set -l lines ($words[1] completion fish -- $words[2..-1] "$current" 2>/dev/null)
  if test (count $lines) -gt 0
    printf '%s\\n' $lines
  else
    __fish_complete_path "$current"
  end
end
complete -c tokenlense -f -a '(__tokenlense_complete)'
`,
};
