# Stands between cargo (or nextest) and each test binary: keeps what the binary printed, with whose it is and how it
# ended, so that one binary's output is never taken for another's.
set -u
case $1 in
  */deps/*) ;;
  *) exec "$@" ;; # a doc test of rustdoc's
esac
# What a test prints belongs into libtest's own sections, never between its lines.
count=$#
for word in "$@"; do
  if [ "$word" = --list ]; then exec "$@"; fi
done
while [ $count -gt 0 ]; do
  word=$1
  shift
  if [ "$word" != --nocapture ] && [ "$word" != --no-capture ]; then set -- "$@" "$word"; fi
  count=$((count - 1))
done
out=$PRUNELLA_OUT
unset PRUNELLA_OUT
file=$(mktemp "$out/run.XXXXXXXX")
stem=${1##*/}
printf 'binary %s %s %s\n' "${CARGO_PKG_NAME:-}" "${stem%-*}" "$PWD" >"$file"
"$@" >"$file.text"
code=$?
cat "$file.text" >>"$file"
printf '\nbinary end %s\n' $code >>"$file"
# Who runs one test a process looks at the status alone; a test that ends the process did not pass.
if [ $code -eq 0 ] && ! grep -q '^test result: ok\. ' "$file.text"; then code=70; fi
rm -f "$file.text"
exit $code
