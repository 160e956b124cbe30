# Part of script/test: commands that it runs, servers that it starts, and that nothing of either stays behind.

COMMAND_LIMIT=900				# seconds, for one make or one TAP test: more means that it hangs
CHILD=
declare -A CHILDREN=()				# TAP tests that run, by process
TAP_JOBS=2
SERVER_LOG=

# Signals: at the next command, or at once while one runs, stop all and leave.
catch_signals() {
	set -m						# gives each command in the background a process group of its own
	export SLM_TEST_RUN=$WORK	# marks all that is started from here
	trap leave EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
}

# run LOG COMMAND...: run a command to its end, all its output in the log.
run() {
	local log=$1 status=0

	shift
	timeout -k 10 "$COMMAND_LIMIT" "$@" > "$log" 2>&1 < /dev/null &
	CHILD=$!
	wait -f "$CHILD" || status=$?	# -f: to its end, also if somebody stops it and lets it go on
	CHILD=
	if [ $status -eq 124 ]; then
		echo "# stopped after $COMMAND_LIMIT s" >> "$log"
	fi
	return $status
}

# Start the server that the regression and isolation tests share.  Its socket is in $WORK/socket; it listens nowhere else.
# A PostgreSQL without pg_cron does without.
start_server() {
	local cron=

	[ -z "$SERVER_LOG" ] || return 0
	if [ -e "$("$PGBIN/pg_config" --pkglibdir)/pg_cron.so" ]; then
		cron="cron.database_name = 'postgres'
			cron.use_background_workers = on"
	fi
	SERVER_LOG=$LOGS/server.log
	mkdir "$WORK/socket"
	run "$LOGS/initdb.log" "$PGBIN/initdb" -A trust -N --no-locale -E UTF8 -D "$WORK/server" || return 1
	cat >> "$WORK/server/postgresql.conf" <<-CONF
		shared_preload_libraries = '${cron:+pg_cron,}sellometer'
		$cron
		listen_addresses = ''
		unix_socket_directories = '$WORK/socket'
		max_worker_processes = 24
		fsync = off
		log_line_prefix = '%m [%p] %b %a '
	CONF
	export PGHOST=$WORK/socket PGPORT=5432
	run "$LOGS/start.log" "$PGBIN/pg_ctl" -D "$WORK/server" -l "$SERVER_LOG" -w start
}

stop_server() {
	if [ -e "$WORK/server/postmaster.pid" ]; then
		"$PGBIN/pg_ctl" -D "$WORK/server" -m fast -t 30 -w stop >/dev/null 2>&1 || true
	fi
}

# Stop what was started from here and is still there: PostgreSQL servers, found by their pid files; and the rest, found by
# the mark in their environment.
stop_leftovers() {
	local file pid

	while IFS= read -r file; do
		pid=$(head -1 "$file" 2>/dev/null) || continue
		if [ "$(readlink "/proc/$pid/cwd")" = "${file%/*}" ]; then
			kill -QUIT "$pid" 2>/dev/null || true
		fi
	done < <(find "$WORK" -name postmaster.pid 2>/dev/null)

	for pid in /proc/[0-9]*; do
		if grep -qzxF "SLM_TEST_RUN=$WORK" "$pid/environ" 2>/dev/null; then
			kill "${pid#/proc/}" 2>/dev/null || true
		fi
	done
}

# However it ends.
leave() {
	local status=$? pid

	trap '' INT TERM HUP
	for pid in $CHILD "${!CHILDREN[@]}"; do
		kill -TERM -- "-$pid" 2>/dev/null || true
		wait "$pid" 2>/dev/null || true
	done
	stop_server
	stop_leftovers
	cd /
	if [ "$KEEP" = 0 ] && [ $status -eq 0 ]; then
		rm -rf "$WORK"
	elif [ "$KEEP" = 0 ]; then
		find "$WORK" -mindepth 1 -maxdepth 1 ! -path "$LOGS" -exec rm -rf {} +
		[ $status -eq 1 ] || echo "Ended early; logs are kept in $LOGS" >&2
	fi
}
