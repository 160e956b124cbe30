# Part of script/demo: the directory that it works in, who works there, and how all of it goes away again.
#
# DEMO		that directory; $ROOT/.demo, or what that links to
# in it:	pg/ a copy of PostgreSQL   tree/ a copy of the source, built   data/ the database   socket/   logs/
#			source/ the events (s3/ and outgoing/ with --s3)   pids   env, once it runs

MAX_PATH=80						# of DEMO: the path of a socket has to fit into 107 bytes

die() {
	echo "script/demo: $*" >&2
	exit 1
}

# As whoever called: find or make the place, install and copy what is needed, and go on inside as a user that PostgreSQL
# runs as, in a clean environment.
start_demo() {
	local status=0

	find_place
	if [ -e "$DEMO/env" ] && server_runs; then
		echo "The demo is running."
		say_ways
		exit
	fi
	if [ -e "$DEMO/starter" ] && grep -qa script/demo "/proc/$(cat "$DEMO/starter")/cmdline" 2>/dev/null; then
		die "process $(cat "$DEMO/starter") is starting it already"
	fi
	remove_place
	"$ROOT/script/setup" demo
	# shellcheck source=/dev/null
	. "$ROOT/script/lib/postgres.sh"
	trap : INT					# ends what runs inside; what is left is cleared away here
	make_place
	go_inside || status=$?
	rm -f "$DEMO/starter"
	if [ $status -eq 0 ]; then exit; fi
	if [ $status -gt 128 ]; then
		remove_place
		echo "The demo is stopped and removed."
	else
		stop_processes
		echo "Logs are in $DEMO/logs; script/demo stop removes what is left."
	fi
	exit $status
}

go_inside() {
	local user=() options=() charset

	if [ "$(id -u)" -eq 0 ]; then
		user=(setpriv --reuid=postgres --regid=postgres --init-groups)
	fi
	if [ $S3 = 1 ]; then options+=(--s3); fi
	if [ $SHORT = 1 ]; then options+=(--short); fi
	charset=$(locale charmap 2>/dev/null || true)
	cd "$DEMO/tree"
	"${user[@]}" env -i HOME="$DEMO" PATH=/usr/bin:/bin:/usr/sbin:/sbin TERM="${TERM:-dumb}" \
		LC_ALL="$([ "$charset" = UTF-8 ] && echo C.UTF-8 || echo C)" ${NO_COLOR+NO_COLOR="$NO_COLOR"} \
		${COLUMNS+COLUMNS="$COLUMNS"} PG_CONFIG="$PG_CONFIG" \
		DEMO="$DEMO" bash script/demo --inside "${options[@]}"
}

# Where it is, if it is.
find_place() {
	DEMO=$(readlink -f "$ROOT/.demo" || echo "$ROOT/.demo")
}

# As root everything is made for user postgres, who may be kept out of this tree (a clone below /root, say).
make_place() {
	mkdir "$DEMO" 2>/dev/null || die "can't make a directory in $ROOT"
	if [ "$(id -u)" -eq 0 ]; then
		chown postgres: "$DEMO"
	fi
	if [ ${#DEMO} -gt $MAX_PATH ] || ! as_server_user test -w "$DEMO"; then
		rmdir "$DEMO"
		DEMO=$(mktemp -d /var/tmp/sellometer-demo.XXXXXX)
		chmod 755 "$DEMO"
		ln -s "$DEMO" "$ROOT/.demo"
		echo "The server can't work below $ROOT: it works in $DEMO."
	fi
	echo $$ > "$DEMO/starter"
	mkdir "$DEMO/logs"
	mkdir -m 700 "$DEMO/socket"
	copy_tree "$ROOT" "$DEMO/tree"
	if [ "$(id -u)" -eq 0 ]; then
		chown -R postgres: "$DEMO"
	fi
}

as_server_user() {
	if [ "$(id -u)" -eq 0 ]; then
		setpriv --reuid=postgres --regid=postgres --init-groups "$@"
	else
		"$@"
	fi
}

# Is this process one of ours?  The number may have gone to another since; ours stay in their directory.
is_ours() {
	local dir

	dir=$(readlink "/proc/$1/cwd" 2>/dev/null) && [[ $dir/ == "$DEMO"/* ]]
}

server_runs() {
	local pid

	pid=$(head -1 "$DEMO/data/postmaster.pid" 2>/dev/null) && is_ours "$pid"
}

# end_process PID SIGNAL...: send the signals one after the other until it is gone, 20 s apart.
end_process() {
	local pid=$1 signal i

	shift
	for signal in "$@"; do
		for ((i = 0; i < 200; i++)); do
			is_ours "$pid" || return 0
			if [ $i = 0 ]; then kill "-$signal" "$pid" 2>/dev/null || true; fi
			sleep 0.1
		done
	done
}

# Stop what runs in the place, by process id.
stop_processes() {
	local pid

	if [ -e "$DEMO/pids" ]; then
		for pid in $(cat "$DEMO/pids"); do end_process "$pid" TERM KILL; done
	fi
	if server_runs; then
		end_process "$(head -1 "$DEMO/data/postmaster.pid")" INT QUIT
	fi
	if [ -e "$DEMO/s3/pids" ]; then
		"$ROOT/test/s3/swift" stop "$DEMO/s3"
	fi
}

remove_place() {
	if [ -e "$DEMO" ]; then
		[ -O "$DEMO" ] || [ "$(id -u)" -eq 0 ] ||
			die "$DEMO belongs to $(stat -c %U "$DEMO"): run this as that user or as root"
		stop_processes
		rm -rf "$DEMO"
	fi
	rm -f "$ROOT/.demo" 2>/dev/null || true	# a link, or nothing
}

stop_demo() {
	find_place
	if [ ! -e "$DEMO" ]; then
		remove_place
		echo "There is no demo."
		exit
	fi
	remove_place
	echo "The demo is stopped and removed."
}
