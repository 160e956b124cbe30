# Part of the scripts in test/bench, and of test/draw/check: a private server, memory and time measured from outside, tables printed.
#
#	ROOT=...; . "$ROOT/test/bench/lib.sh"
#	bench_begin NAME "$@"		as root go on as user postgres, in a copy of the tree; make $WORK
#	bench_build					PostgreSQL, the extension and the traffic generator, in $WORK
#	bench_server DATABASES		start it, databases with the extension in it; $CONF: more lines of postgresql.conf
#	bench_peers					DuckDB and ClickHouse: $PEER_PYTHON, for what is in $WORK/peers
#	bench_s3					a real S3 server: S3_ENDPOINT and the rest of what test/s3/swift says
#
# Everything is in $WORK, and goes away at the end, whatever the end is.  BENCH_SHARED_BUFFERS (1GB) and BENCH_CONF (lines
# of postgresql.conf) change the server from outside.  As user postgres one can measure without root's detour.

. "$ROOT/script/lib/copy.sh"
BENCH=$ROOT/test/bench
. "$ROOT/script/lib/postgres.sh"
BENCH_SHARED_BUFFERS=${BENCH_SHARED_BUFFERS:-1GB}
WORK=

# The comment at the head of the script, and the end.
bench_usage() {
	sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$0"
	exit 2
}

# bench_begin NAME ARGUMENT...: as root this starts the script again as user postgres, and ends with it.
bench_begin() {
	local name=$1 self place status=0

	shift
	if [ "$(id -u)" = 0 ]; then
		self=$(realpath --relative-to="$ROOT" "$0")
		place=$(mktemp -d /var/tmp/sellometer-bench.XXXXXX)
		copy_tree "$ROOT" "$place/tree"
		chown -R postgres: "$place"
		(cd "$place" && exec runuser -u postgres -- "$place/tree/$self" "$@") || status=$?
		rm -rf "$place"
		exit $status
	fi
	WORK=$(mktemp -d "/var/tmp/sellometer-$name.XXXXXX")
	trap bench_end EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
}

bench_end() {
	local status=$?

	set +e
	trap '' INT TERM HUP
	kill $(jobs -p) 2>/dev/null
	[ ! -e "$WORK/data/postmaster.pid" ] || "$PGBIN/pg_ctl" -D "$WORK/data" -m immediate -w stop >/dev/null 2>&1
	[ ! -e "$WORK/s3/pids" ] || "$ROOT/test/s3/swift" stop "$WORK/s3"
	if [ $status -ne 0 ] && [ -e "$WORK/log" ]; then
		echo "the end of the server's log:"
		tail -20 "$WORK/log"
	fi >&2
	cd /
	rm -rf "$WORK"
}

bench_build() {
	copy_postgres "$WORK/pg"
	make --no-print-directory -s "-j$(nproc)" -C "$ROOT" "PG_CONFIG=$PGBIN/pg_config" all install
	make --no-print-directory -s "-j$(nproc)" -C "$ROOT/test/traffic"
	PATH=$PGBIN:$PATH
}

# bench_server DATABASES: separated by commas; the worker loads into each.
bench_server() {
	local database

	initdb -D "$WORK/data" -U postgres -A trust -E UTF8 --no-locale >/dev/null
	cat >> "$WORK/data/postgresql.conf" <<-CONF
		shared_preload_libraries = 'sellometer'
		sellometer.database = '$1'
		listen_addresses = ''
		unix_socket_directories = '$WORK'
		max_worker_processes = 24
		shared_buffers = $BENCH_SHARED_BUFFERS
		max_wal_size = 4GB
		${CONF:-}
		${BENCH_CONF:-}
	CONF
	bench_connect "${1%%,*}"
	pg_ctl -D "$WORK/data" -l "$WORK/log" -w start >/dev/null
	for database in ${1//,/ }; do
		createdb "$database"
		sql -d "$database" -c 'CREATE EXTENSION sellometer'
	done
	for database in ${1//,/ }; do
		wait_in "$database" 'sellometer.worker_pid() IS NOT NULL'
	done
}

# bench_connect DATABASE: what psql and the like are to use.
bench_connect() {
	export PGHOST=$WORK PGUSER=postgres PGDATABASE=$1 PGTZ=UTC
}

bench_s3() {
	local variable

	"$ROOT/test/s3/swift" start "$WORK/s3" >/dev/null
	while IFS= read -r variable; do declare -g "${variable?}"; done < "$WORK/s3/env"
	export AWS_ACCESS_KEY_ID=$S3_ACCESS_KEY AWS_SECRET_ACCESS_KEY=$S3_SECRET_KEY AWS_DEFAULT_REGION=$S3_REGION
}

# bench_s3_server DATABASE: what CREATE SERVER and CREATE USER MAPPING are needed there, as server "bench".
bench_s3_server() {
	sql -d "$1" <<-SQL
		CREATE SERVER bench FOREIGN DATA WRAPPER sellometer_s3
			OPTIONS (endpoint '$S3_ENDPOINT', region '$S3_REGION', url_style 'path');
		CREATE USER MAPPING FOR CURRENT_USER SERVER bench
			OPTIONS (access_key_id '$S3_ACCESS_KEY', secret_access_key '$S3_SECRET_KEY');
	SQL
}

# The peers and what runs them, in $WORK/peers.
bench_peers() {
	rm -rf "$WORK/peers"
	cp -r "$BENCH/peers" "$WORK/peers"
	python3 -m venv "$WORK/venv"
	"$WORK/venv/bin/pip" --disable-pip-version-check --quiet install -r "$WORK/peers/requirements.txt" >&2
	PEER_PYTHON=$WORK/venv/bin/python
}

# sql OPTION...: psql, unaligned, without headers
sql() {
	psql -X -q -A -t -v ON_ERROR_STOP=1 "$@"
}

# bench_wanted WHAT: is it none of $WITHOUT?
bench_wanted() {
	[[ $WITHOUT != *" $1 "* ]]
}

# bench_objects: $EVENTS events in about $OBJECTS objects, of four servers, in $WORK/in.
bench_objects() {
	mkdir -p "$WORK/in"
	"$ROOT/test/traffic/traffic" generate --out "$WORK/in" --events "$EVENTS" --rate $((EVENTS * 4 / OBJECTS)) --servers 4 --quiet
}

# What was measured on.
bench_machine() {
	printf '%s\n' "$(nproc) x $(sed -n 's/^model name\s*: //p' /proc/cpuinfo | head -1), $(awk '/^MemTotal/ {printf "%.0f", $2 / 1048576}' /proc/meminfo) GB,\
 $(sql -c "SELECT 'PostgreSQL ' || current_setting('server_version') || ', shared_buffers ' ||
	current_setting('shared_buffers') || ', fsync ' || current_setting('fsync')")"
}

# --- time ---

# timer_start; then SECONDS_TAKEN, and CPU_TAKEN by the server, after timer_stop
timer_start() {
	CPU_BEFORE=$("$BENCH/server_cpu" "$WORK/data")
	TIMER=${EPOCHREALTIME/[.,]/}
}

timer_stop() {
	SECONDS_TAKEN=$(awk -v us=$((${EPOCHREALTIME/[.,]/} - TIMER)) 'BEGIN {printf "%.3f", us / 1e6}')
	CPU_TAKEN=$(awk -v before="$CPU_BEFORE" -v after="$("$BENCH/server_cpu" "$WORK/data")" 'BEGIN {printf "%.2f", after - before}')
}

# wait_in DATABASE CONDITION: until it is true, asked 50 times a second in one session.
wait_in() {
	sql -d "$1" <<-SQL
		DO \$\$ BEGIN
			WHILE NOT ($2) LOOP
				COMMIT;
				PERFORM pg_sleep(0.02);
			END LOOP;
		END \$\$;
	SQL
}

# percentiles: numbers on standard input, one a line --> "n p50 p95 p99 max", by nearest rank.
percentiles() {
	sort -g | awk '
		function at(p,  i) { i = int(NR * p); if (i < NR * p) i++; return t[i < 1 ? 1 : i] }
		{ t[NR] = $1 }
		END { if (NR == 0) print "0 - - - -"; else print NR, at(0.5), at(0.95), at(0.99), t[NR] }'
}

# --- rows ---

BENCH_DIMENSIONS='product_id brand category_l1 category_l2 category_l3'

# bench_digest DATABASE SCHEMA [TIER [WHERE]]: of the rows of its five tables of a tier (minute), whatever their order; Sellometer's hours
# with those that are not rolled up yet.
bench_digest() {
	local dimension tier=${3:-minute} prefix=

	[ "$2 ${3:-}" != 'sellometer hour' ] || prefix=realtime_

	for dimension in $BENCH_DIMENSIONS; do
		sql -d "$1" -F ' ' -c "SELECT '${dimension}_$tier', count(*), sum(count), trim_scale(sum(gmv)), sum(('x' || left(md5(concat_ws('|',
			event_time, event_type, $dimension, count, trim_scale(gmv))), 15))::bit(60)::bigint)
			FROM $2.$prefix${dimension}_$tier WHERE ${4:-true}"
	done
}

# --- memory ---

# memory_start PATTERN: watch the server processes whose titles match; PEAK_MB, after memory_stop, is the most memory they
# had together that is their own; see test/bench/peak_memory.
memory_start() {
	"$BENCH/peak_memory" "$WORK/data" "$1" > "$WORK/peak" &
	MEMORY_PID=$!
	until [ -s "$WORK/peak" ]; do sleep 0.01; done
}

memory_stop() {
	kill "$MEMORY_PID"
	wait "$MEMORY_PID" || true
	PEAK_MB=$(tail -1 "$WORK/peak")
}

# bench_baseline DATABASE: what $WORK/in holds by COPY and plain SQL, in schema baseline; its time and memory as after timer_stop and
# memory_stop.
bench_baseline() {
	sql -d "$1" -c CHECKPOINT
	memory_start "postgres $1 |parallel worker"
	timer_start
	sql -d "$1" -v files="$WORK/in" -v work_mem=1GB -f "$ROOT/test/oracle/baseline.sql" > "$WORK/baseline.out"
	timer_stop
	memory_stop
}
