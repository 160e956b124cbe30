# Part of script/test and script/demo: both leave the tree and the system's PostgreSQL alone, and work on copies.

# The tree as git sees it, new files included; without git, all but what builds and tests leave behind.
copy_tree() {
	local from=$1 to=$2 file git=(git -c safe.directory='*' -C "$1")

	mkdir "$to"
	if "${git[@]}" rev-parse --is-inside-work-tree >/dev/null 2>&1; then
		"${git[@]}" ls-files -z --cached --others --exclude-standard |
			while IFS= read -r -d '' file; do
				if [ -e "$from/$file" ]; then printf '%s\0' "$file"; fi
			done | tar -C "$from" --null -T - -cf - | tar -C "$to" -xf -
	else
		# what is in it rather than itself: tar fails if a file is made or goes there meanwhile
		find "$from" -mindepth 1 -maxdepth 1 -printf '%P\0' |
			tar -C "$from" --null --exclude=.git --exclude=.demo --exclude='*.o' --exclude='*.so' --exclude=build \
				--exclude='tmp_check*' --exclude=results --exclude=output_iso -T - -cf - | tar -C "$to" -xf -
	fi
}

# Copy the PostgreSQL installation of $PG_CONFIG to a directory, all of it at the same place below that: its programs find
# the rest by going up from where they are themselves.  Sets PGBIN and PGXS, both in the copy.
copy_postgres() {
	local to=$1 what dir

	for what in bindir pkglibdir sharedir pkgincludedir includedir-server; do
		dir=$("$PG_CONFIG" "--$what")
		if [ ! -e "$to$dir" ]; then
			mkdir -p "$to${dir%/*}"
			cp -a "$dir" "$to$dir"
		fi
	done
	PGBIN=$to$("$PG_CONFIG" --bindir)
	PGXS=$(dirname "$("$PGBIN/pg_config" --pgxs)")/../..
	if [[ $("$PGBIN/pg_config" --pkglibdir) != "$to"* ]]; then
		echo "A copy of this PostgreSQL would use files of the original: give PG_CONFIG of one that can be moved" >&2
		exit 1
	fi
}
