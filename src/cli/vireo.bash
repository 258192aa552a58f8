# bash completion for vireo(1). What may follow, vireo itself knows: "vireo complete WORD...".
# When it prints nothing, the word is a file's name or the user's own.
_vireo()
{
	local cur=${COMP_WORDS[COMP_CWORD]} words left
	words=$("${COMP_WORDS[0]}" complete "${COMP_WORDS[@]:1:COMP_CWORD-1}" 2>/dev/null)
	# the word at the cursor may hold colons, which are breaks of words to bash
	left=${cur%"${cur##*:}"}
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
	if [[ -n $left && $COMP_WORDBREAKS == *:* ]]; then
		COMPREPLY=("${COMPREPLY[@]#"$left"}")
	fi
}
complete -o default -F _vireo vireo
