# Part of script/demo: from the copied source to a server that loads, as an unprivileged user.

DATABASE=shop
RATE=40000						# events a minute, from 4 servers
HOURS=3							# of live traffic; then it ends, lest it fill the disk

run_demo() {
	prepare_screen
	trap show_cursor EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
	HISTORY=60 SLOW=15 LOOK=20	# minutes of history, of which the last appear one a second; seconds to look
	if [ $SHORT = 1 ]; then HISTORY=5 SLOW=2 LOOK=5; fi
	: > "$DEMO/pids"

	printf '\n%sSellometer%s: files of shop events become live sales metrics\n\n' "$BOLD" "$PLAIN"
	step "Copy PostgreSQL" copy_postgres "$DEMO/pg"
	PATH=$PGBIN:$PATH
	step "Build Sellometer and install it there" build
	step "Start a private server" start_server
	if [ $S3 = 1 ]; then step "Start an S3 server on loopback" start_s3; fi
	step "Create the extension, add the source" create_source
	step "Write $((HISTORY - SLOW)) minutes of a shop's events" start_traffic
	if [ $S3 = 1 ]; then step "Upload them" start_upload; fi
	sql -c "SELECT sellometer_enable_source('web', true)" -c 'SELECT sellometer_wake()' > /dev/null
	show_loading
	extras
	show_live
	merge_late
	make_report
	finish
}

build() {
	local make=(make --no-print-directory -s "-j$(nproc)" "PG_CONFIG=$PGBIN/pg_config")

	"${make[@]}" all install && "${make[@]}" -C test/traffic
}

# sql OPTION...: psql on the demo's database
sql() {
	psql -X -q -v ON_ERROR_STOP=1 -d "$DATABASE" "$@"
}

# A port that nobody listens on.
free_port() {
	local i

	for ((i = 0; i < 100; i++)); do
		PORT=$((20000 + RANDOM % 10000))
		if ! (: < "/dev/tcp/127.0.0.1/$PORT") 2>/dev/null; then return 0; fi
	done
	echo "no free port found"
	return 1
}

# Through the socket only who may enter its directory comes in; through the port one needs the password.
start_server() {
	local password="$DEMO/password"

	free_port || return 1
	(umask 077 && od -An -N16 -tx1 /dev/urandom | tr -d ' \n' > "$password") || return 1
	initdb -U postgres --auth-local=trust --auth-host=scram-sha-256 --pwfile="$password" -N --no-locale -E UTF8 \
		-D "$DEMO/data" || return 1
	cat >> "$DEMO/data/postgresql.conf" <<-CONF
		shared_preload_libraries = 'pg_cron,sellometer'
		sellometer.database = '$DATABASE'
		cron.database_name = '$DATABASE'
		cron.use_background_workers = on
		max_worker_processes = 16
		listen_addresses = '127.0.0.1'
		port = $PORT
		unix_socket_directories = '$DEMO/socket'
		shared_buffers = 256MB
		max_wal_size = 2GB
	CONF
	export PGHOST=$DEMO/socket PGPORT=$PORT PGUSER=postgres PGCLIENTENCODING=UTF8
	echo "CREATE DATABASE $DATABASE" | postgres --single -D "$DEMO/data" postgres || return 1
	(cd "$DEMO/data" && pg_ctl -D "$DEMO/data" -l "$DEMO/logs/server.log" -w start)
}

# keep_running LOG COMMAND...: in the background, beyond the end of this script.  $! is its process.
keep_running() {
	local log=$1

	shift
	(cd "$DEMO" && exec setsid "$@") > "$log" 2>&1 < /dev/null &
	echo $! >> "$DEMO/pids"
	disown
}

start_s3() {
	local variable

	test/s3/swift start "$DEMO/s3" || return 1
	while IFS= read -r variable; do declare -g "${variable?}"; done < "$DEMO/s3/env"
}

create_source() {
	sql -c 'CREATE EXTENSION pg_cron' -c 'CREATE EXTENSION sellometer' || return 1
	if [ $S3 = 0 ]; then
		URL=file://$DEMO/source/
		mkdir "$DEMO/source" &&
		sql -v url="$URL" <<-'SQL'
			SELECT sellometer_add_source('web', :'url');
		SQL
	else
		URL=s3://shop/events/
		test/s3/client "$DEMO/s3/env" mkbucket shop &&
		sql -v url="$URL" -v endpoint="$S3_ENDPOINT" -v region="$S3_REGION" -v key="$S3_ACCESS_KEY" \
			-v secret="$S3_SECRET_KEY" <<-'SQL'
			CREATE SERVER shop_s3 FOREIGN DATA WRAPPER sellometer_s3
				OPTIONS (endpoint :'endpoint', region :'region', url_style 'path');
			CREATE USER MAPPING FOR CURRENT_USER SERVER shop_s3
				OPTIONS (access_key_id :'key', secret_access_key :'secret');
			SELECT sellometer_add_source('web', :'url', server => 'shop_s3');
		SQL
	fi
}

# The history as fast as possible, then in real time: a file a server and minute.  Some files are gzipped, some are late,
# a few rows are bad, as it happens.
start_traffic() {
	local dir=$DEMO/source last

	if [ $S3 = 1 ]; then dir=$DEMO/outgoing; fi
	mkdir -p "$dir"
	last=$(date -u -d "-$((SLOW + 1)) minutes" +%Y-%m-%d-%H-%M)
	sql -c "SELECT sellometer_enable_source('web', false)" || return 1
	keep_running "$DEMO/logs/traffic.log" "$DEMO/tree/test/traffic/traffic" generate --out "$dir" \
		--now --ago "$HISTORY,$SLOW" --minutes $((HISTORY + 60 * HOURS)) --rate $RATE --wobble 0.05 \
		--gzip 0.25 --late 0.02 --late-by 6,15 --bad 0.0002
	TRAFFIC_PID=$!
	until compgen -G "$dir/*" > /dev/null && [[ $(cd "$dir" && ls | tail -1) > $last ]]; do
		kill -0 "$TRAFFIC_PID" || return 1
		sleep 0.1
	done
	sleep 0.1					# the minute's other files
	STEP_NOTE="$(ls "$dir" | wc -l) files, $(du -sm "$dir" | cut -f1) MB"
}

# What is there already, and then what comes.
start_upload() {
	local to=("$DEMO/tree/test/traffic/to_s3" "$DEMO/outgoing" "$S3_ENDPOINT/shop/events/")

	export AWS_ACCESS_KEY_ID=$S3_ACCESS_KEY AWS_SECRET_ACCESS_KEY=$S3_SECRET_KEY AWS_DEFAULT_REGION=$S3_REGION
	"${to[@]}" --once || return 1
	keep_running "$DEMO/logs/upload.log" "${to[@]}" --while-pid "$TRAFFIC_PID"
}

# --- what this version of the extension may not have yet: nothing happens then ---

has_function() {
	[ "$(sql -At -c "SELECT count(*) FROM pg_proc WHERE proname = '$1'")" -gt 0 ]
}

extras() {
	if has_function sellometer_schedule; then
		step "Schedule housekeeping with pg_cron" sql -c 'SELECT sellometer_schedule()'
	fi
}

make_report() {
	if has_function sellometer_report; then
		step "Draw a report" sql -At -o "$DEMO/report.html" -c 'SELECT sellometer_report()'
	fi
}

# --- the end ---

# For whoever comes later: how to connect.
finish() {
	cat > "$DEMO/env" <<-ENV
		PGHOST=$PGHOST
		PGPORT=$PGPORT
		PGUSER=$PGUSER
		PGDATABASE=$DATABASE
		PSQL=$(command -v psql)
	ENV
	echo
	echo "It goes on: files come in each minute until $(date -d "+$HOURS hours" '+%H:%M'), some 5 MB a minute at most."
	say_ways
}

say_ways() {
	local PGHOST PGPORT PGUSER PGDATABASE PSQL

	# shellcheck source=/dev/null
	. "$DEMO/env"
	if [ -x /usr/bin/psql ]; then PSQL=psql; fi
	echo
	echo "  Look around:  $PSQL -h $PGHOST -p $PGPORT -U $PGUSER $PGDATABASE"
	echo "                TABLE sellometer.purchase_brand_rank LIMIT 10;"
	if [ -e "$DEMO/report.html" ]; then
		echo "  Report:       $DEMO/report.html"
	fi
	echo "  Stop it all:  script/demo stop"
	echo
}
