# Fetches dependencies, and sends the folder that holds them to the host as one archive.
set -u
fd=$PRUNELLA_FD
files=$PRUNELLA_FILES
unset PRUNELLA_FD PRUNELLA_FILES PRUNELLA_REPO
case $fd in [3-9]) ;; *) exec 9>"/proc/self/fd/$fd"; fd=9 ;; esac
mkdir -p /tmp/prepared
if [ -f "$files/cargo_config.toml" ]; then cp "$files/cargo_config.toml" "$CARGO_HOME/config.toml"; fi

# One command a line of words; the next one only when the one before went well.
while IFS= read -r name; do
  set --
  while IFS= read -r word; do set -- "$@" "$word"; done <"$files/$name"
  eval '"$@" '"$fd"'>&- </dev/null' || exit $?
done <"$files/commands"

# What npm and its like leave in the tree belongs to the folder, too.
if [ -d node_modules ] && [ ! -e /tmp/prepared/node_modules ]; then
  mv node_modules /tmp/prepared/node_modules
fi
tar -C /tmp/prepared -cf - . >&"$fd"
