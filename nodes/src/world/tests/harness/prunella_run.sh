# Starts a test command and sends what it reported to the host.
#
# The command gets neither our channel nor our files' names; its reports are removed before it starts, and read when it
# is over. Words and patterns come one a line from files of ours: nothing of theirs is ever read as shell.
set -u
fd=$PRUNELLA_FD
files=$PRUNELLA_FILES
unset PRUNELLA_FD PRUNELLA_FILES PRUNELLA_REPO
# Not every shell takes numbers of two digits.
case $fd in [3-9]) ;; *) exec 9>"/proc/self/fd/$fd"; fd=9 ;; esac
out=$PRUNELLA_OUT
mkdir -p "$out"

# run WORDS STDOUT: the command in a file of words, for so many seconds as $limit says.
run() {
  list=$files/$1 stdout=$2
  set --
  if [ -n "$limit" ] && command -v timeout >/dev/null 2>&1; then
    set -- timeout -k 5 "$limit"
  fi
  while IFS= read -r word; do set -- "$@" "$word"; done <"$list"
  eval '"$@" '"$fd"'>&- </dev/null >"$stdout" 2>"$out/stderr"'
}

# send LABEL FILE: at most 64 MiB of a plain file.
send() {
  if [ -f "$2" ] && [ ! -L "$2" ]; then
    size=$(wc -c <"$2")
    if [ "$size" -gt 67108865 ]; then size=67108865; fi
    printf 'file %s %s %s\n' $size "$1" "$2" >&"$fd"
    head -c $size "$2" >&"$fd"
    printf '\n' >&"$fd"
  fi
}

# found PATTERN: the plain files whose paths fit; a star stands for anything.
found() {
  case $1 in
    /*) find "$(dirname "$1")" -path "$1" -type f 2>/dev/null ;;
    *) find . -name node_modules -prune -o -path "./$1" -type f -print 2>/dev/null ;;
  esac | sort | head -n 5000
}

while IFS=' ' read -r target link; do
  if [ ! -e "$link" ]; then
    mkdir -p "$(dirname "$link")"
    ln -s "$target" "$link"
  fi
done <"$files/links"

while IFS=' ' read -r label pattern; do
  found "$pattern" | while IFS= read -r path; do
    rm -f "$path"
    if [ -e "$path" ]; then printf 'stale %s\n' "$path" >&"$fd"; fi
  done
done <"$files/reports"

if [ -s "$files/build" ]; then
  limit=
  run build "$out/stdout"
  code=$?
  printf 'built %s\n' $code >&"$fd"
  if [ $code -ne 0 ]; then
    tail -c 65536 "$out/stdout" >"$out/said"
    tail -c 65536 "$out/stderr" >>"$out/said"
    send said "$out/said"
    printf 'end %s\n' $code >&"$fd"
    tail -c 20000 "$out/stderr" >&2
    exit 0
  fi
fi

limit=$(cat "$files/limit")
run command "$out/stdout"
code=$?
tail -c 20000 "$out/stdout"
tail -c 20000 "$out/stderr" >&2
send stdout "$out/stdout"
tail -c 65536 "$out/stderr" >"$out/said"
send said "$out/said"
while IFS=' ' read -r label pattern; do
  found "$pattern" | while IFS= read -r path; do send "$label" "$path"; done
done <"$files/reports"
printf 'end %s\n' $code >&"$fd"
