# Part of the scripts: which PostgreSQL they work with.  Sets PG_CONFIG and PG_MAJOR.
#
# It is that of PG_CONFIG, if that is set; else version PG_MAJOR where Debian and Ubuntu have it; else the newest supported one that
# is installed there, first of all with the development files; else the one that comes with the system.

SUPPORTED_MAJORS=(18 17 16 15)

pg_config_of() {
	echo "/usr/lib/postgresql/$1/bin/pg_config"
}

# The newest supported version that is installed with a file: $1, with %s for the version.
newest_with() {
	local major

	for major in "${SUPPORTED_MAJORS[@]}"; do
		# shellcheck disable=SC2059
		if [ -e "$(printf "$1" "$major")" ]; then
			echo "$major"
			return
		fi
	done
}

# The version that the system's package "postgresql" stands for, if it is supported; else the newest that there is a package of.
packaged_major() {
	local major default

	default=$(apt-cache depends postgresql 2>/dev/null | sed -n 's/^ *Depends: postgresql-\([0-9]*\)$/\1/p' | head -1)
	for major in "$default" "${SUPPORTED_MAJORS[@]}"; do
		if [[ " ${SUPPORTED_MAJORS[*]} " == *" ${major:-none} "* ]] && apt-cache show "postgresql-$major" >/dev/null 2>&1; then
			echo "$major"
			return
		fi
	done
}

choose_postgres() {
	local place

	if [ -n "${PG_CONFIG:-}" ]; then
		PG_MAJOR=$("$PG_CONFIG" --version 2>/dev/null | sed -n 's/^PostgreSQL \([0-9]*\).*/\1/p') || true
		if [ -z "$PG_MAJOR" ]; then
			echo "${0##*/}: PG_CONFIG is $PG_CONFIG, but that is no pg_config that says its version" >&2
			return 1
		fi
		return
	fi
	for place in '/usr/include/postgresql/%s/server/postgres.h' '/usr/lib/postgresql/%s/bin/postgres'; do
		[ -n "${PG_MAJOR:-}" ] || PG_MAJOR=$(newest_with "$place")
	done
	[ -n "$PG_MAJOR" ] || PG_MAJOR=$(packaged_major)
	[ -z "$PG_MAJOR" ] || PG_CONFIG=$(pg_config_of "$PG_MAJOR")
}

choose_postgres
