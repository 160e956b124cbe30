# Part of script/test: the stages.

shopt -s nullglob

prepare() {
	LOGS=$WORK/logs
	RESULTS=$LOGS/results
	mkdir "$LOGS"
	: > "$RESULTS"
	STAGE=prepare
	catch_signals
	copy_postgres "$WORK/pg"
	SLM_SANITIZE=${SLM_SANITIZE:-}
	if [ -n "$SLM_SANITIZE" ]; then watch_postgres; fi
	PATH=$PGBIN:$PATH
	MAKE=(make --no-print-directory "-j$(nproc)" "PG_CONFIG=$PGBIN/pg_config")
}

# Have the copied server run under a sanitizer, which finds what the extension, which is built for it, does; of the server itself
# it sees what calls malloc().  Psql and all else run as they are.  What is found goes to files.
watch_postgres() {
	local options="log_path=$WORK/found:exitcode=0"

	case $SLM_SANITIZE in
		thread) options="TSAN_OPTIONS=$options:report_signal_unsafe=0" ;;	# up to 15 the postmaster forks in a signal handler
		address) options="ASAN_OPTIONS=$options:detect_leaks=0:abort_on_error=1" ;;
		*) echo "SANITIZE is thread or address" >&2; exit 2 ;;
	esac
	gcc -shared -fPIC -O2 -Wall -Wextra -Werror -o "$WORK/untranslated.so" test/lint/untranslated.c
	SANITIZER_FLAGS="-fsanitize=$SLM_SANITIZE -fno-omit-frame-pointer -g"
	COMMAND_LIMIT=$((4 * COMMAND_LIMIT))
	mv "$PGBIN/postgres" "$PGBIN/postgres.watched"
	# without random addresses, which leave no room for what the sanitizer notes; by the name of this script, for that is what pg_ctl
	# starts again
	cat > "$PGBIN/postgres" <<-WRAPPER
		#!/bin/bash
		export SLM_WATCHER=$(gcc "-print-file-name=lib${SLM_SANITIZE:0:1}san.so"):$WORK/untranslated.so '$options'
		exec setarch -R bash -c 'export LD_PRELOAD=\$SLM_WATCHER; exec -a "\$0" "\$@"' "\$0" "\${0%/*}/postgres.watched" "\$@"
	WRAPPER
	chmod +x "$PGBIN/postgres"
}

# What a sanitizer has found.
stage_found() {
	local file found=0

	for file in "$WORK"/found.*; do
		fail "the sanitizer found something" "$file"
		found=1
	done
	if [ $found = 0 ]; then pass "the sanitizer found nothing"; fi
}

# Returns 1 if there is no point in going on.
run_stage() {
	local begin=$SECONDS status=0

	STAGE=$1
	"stage_$STAGE" || status=1
	printf '%-10s %5d passed %5d failed %5d s\n' \
		"$STAGE" "$(count pass "$STAGE"$'\t')" "$(count fail "$STAGE"$'\t')" $((SECONDS - begin))
	return $status
}

stage_build() {
	local module

	if run "$LOGS/build.log" "${MAKE[@]}" -s WERROR=1 COPT="-DUSE_ASSERT_CHECKING ${SANITIZER_FLAGS:-}" all install; then
		pass "builds without warnings, and installs"
	else
		fail "does not build or install" "$LOGS/build.log"
		return 1
	fi
	# Modules that only tests use.
	for module in test/modules/*/; do
		if ! run "$LOGS/module.log" "${MAKE[@]}" -s -C "$module" WERROR=1 COPT="-DUSE_ASSERT_CHECKING ${SANITIZER_FLAGS:-}" install; then
			fail "$module does not build or install" "$LOGS/module.log"
		fi
	done
}

# Every file that looks like a test must be where a stage finds it, and every expected output belong to a test.
stage_files() {
	local file stray=0

	while IFS= read -r file; do
		fail "$file is run by no stage"
		stray=1
	done < <(find test -type d -name build -prune -o -type f \( -name '*.pl' -o -name '*.t' -o -name '*.spec' -o \
		-name 'test_*.*' -o -name '*_test.*' -o -name 'fuzz_*.c' \) ! -path 'test/t/*.pl' \
		! -path 'test/isolation/specs/*.spec' ! -path 'test/unit/test_*.c' ! -path 'test/fuzz/fuzz_*.c' -print | sort)
	for file in expected/*.out test/isolation/expected/*.out; do
		if ! has_test "$file"; then
			fail "$file belongs to no test"
			stray=1
		fi
	done
	if [ $stray = 0 ]; then
		pass "every test is run by a stage"
	fi
	if run "$LOGS/meta.log" test/packaging/check_meta; then
		pass "META.json is as PGXN wants it, and all files name the same version"
	else
		fail "META.json, or a version" "$LOGS/meta.log"
	fi
	if run "$LOGS/docs.log" test/docs/check; then
		pass "every block of the docs is run by a test or marked as not, every link leads somewhere, and every file and function named is there"
	else
		fail "README.md or docs/" "$LOGS/docs.log"
	fi
	if run "$LOGS/rooms.log" script/rooms --check; then
		pass "no room of src/ includes or calls what stands above it"
	else
		fail "the rooms of src/" "$LOGS/rooms.log"
	fi
}

# An expected output has a test of its name; or without the _1 of an alternative.
has_test() {
	local name dir

	name=$(basename "$1" .out)
	dir=$(dirname "$(dirname "$1")")
	for name in "$name" "${name%_[0-9]}"; do
		if [ -e "$dir/sql/$name.sql" ] || [ -e "$dir/specs/$name.spec" ]; then return 0; fi
	done
	return 1
}

stage_unit() {
	local file name status=0

	[ -d test/unit ] || return 0
	run "$LOGS/unit.log" "${MAKE[@]}" -s -C test/unit ${SLM_SANITIZE:+"SANITIZE=$SLM_SANITIZE"} check || status=$?
	for file in test/unit/test_*.c; do
		name=$(basename "$file" .c)
		if [ -s "test/unit/build/$name.tap" ]; then
			tap_results "$name" "test/unit/build/$name.tap" 0
		else
			fail "$name was not run" "$LOGS/unit.log"
		fi
	done
	if [ $status -ne 0 ] && [ "$(count fail unit)" -eq 0 ]; then
		fail "make check (exit status $status)" "$LOGS/unit.log"
	fi
}

stage_traffic() {
	local status=0 verdict text

	[ -e test/traffic/check ] || return 0
	run "$LOGS/traffic.log" "${MAKE[@]}" -s -C test/traffic check || status=$?
	while read -r verdict text; do
		case $verdict in
			ok) pass "$text" ;;
			FAILED) fail "$text" ;;
		esac
	done < "$LOGS/traffic.log"
	if [ "$(count fail traffic)" -gt 0 ]; then
		show < "$LOGS/traffic.log"
	elif [ $status -ne 0 ] || [ "$(count pass traffic)" -eq 0 ]; then
		fail "make check (exit status $status)" "$LOGS/traffic.log"
	fi
}

stage_regress() {
	local files=(sql/*.sql)

	installcheck ISOLATION= regression "${files[@]}"
	cp regression.diffs "$LOGS" 2>/dev/null || true
}

stage_isolation() {
	local files=(test/isolation/specs/*.spec)

	installcheck REGRESS= test/isolation/regression "${files[@]}"
	cp test/isolation/regression.diffs "$LOGS/isolation.diffs" 2>/dev/null || true
}

# installcheck WITHOUT DIFFS FILE...: make installcheck, but for one of its two halves.
installcheck() {
	local without=$1 diffs=$2.diffs names status=0

	shift 2
	[ $# -gt 0 ] || return 0
	if ! start_server; then
		fail "the server does not start" "$SERVER_LOG"
		return 0
	fi
	run "$LOGS/$STAGE.log" "${MAKE[@]}" -s installcheck "$without" || status=$?
	mapfile -t names < <(printf '%s\n' "$@" | sed 's#.*/##; s#\.[^.]*$##')
	regress_results "$LOGS/$STAGE.log" "$diffs" "${names[@]}"
	if [ $status -ne 0 ] && [ "$(count fail "$STAGE")" -eq 0 ]; then
		fail "make installcheck (exit status $status)" "$LOGS/$STAGE.log"
	fi
	server_results "$SERVER_LOG"
}

# Two at a time: a test mostly waits for its servers, and each has its own.
stage_tap() {
	local -A names=()
	local file next=0 pid status

	stop_server
	if [ -e test/traffic/Makefile ] && ! run "$LOGS/traffic_build.log" "${MAKE[@]}" -C test/traffic; then
		fail "the traffic generator does not build" "$LOGS/traffic_build.log"
	fi
	while [ $next -lt ${#TAP_FILES[@]} ] || [ ${#CHILDREN[@]} -gt 0 ]; do
		if [ $next -lt ${#TAP_FILES[@]} ] && [ ${#CHILDREN[@]} -lt "$TAP_JOBS" ]; then
			file=${TAP_FILES[next++]}
			start_tap "$file"
			names[$CHILD]=$file
			CHILDREN[$CHILD]=1
			CHILD=
			continue
		fi
		status=0
		pid=
		wait -f -n -p pid "${!CHILDREN[@]}" || status=$?
		# Of one that has ended while another was judged some versions of bash only know the status.
		if [ -z "${pid:-}" ]; then
			for pid in "${!CHILDREN[@]}"; do kill -0 "$pid" 2>/dev/null || break; done
			status=0
			wait -f "$pid" || status=$?
		fi
		unset "CHILDREN[$pid]"
		judge_tap "${names[$pid]}" $status
	done
}

# Start a TAP test; CHILD is its process.
start_tap() {
	local name dir

	name=$(basename "$1" .pl)
	dir=$WORK/tap/$name
	mkdir -p "$dir"
	# Up to PostgreSQL 15 TESTDIR is where data and logs go, later the other two.
	timeout -k 10 "$COMMAND_LIMIT" env PG_REGRESS="$PGXS/src/test/regress/pg_regress" TESTDIR="$dir" \
		TESTDATADIR="$dir/tmp_check" TESTLOGDIR="$dir/tmp_check/log" PG_CONFIG="$PGBIN/pg_config" \
		perl -I "$PGXS/src/test/perl" -I test/perl "$1" > "$LOGS/$name.tap" 2>&1 < /dev/null &
	CHILD=$!
}

# judge_tap FILE STATUS: of a TAP test that has ended.
judge_tap() {
	local name log dir

	name=$(basename "$1" .pl)
	dir=$WORK/tap/$name
	if [ "$2" -eq 124 ]; then
		echo "# stopped after $COMMAND_LIMIT s" >> "$LOGS/$name.tap"
	fi
	mkdir "$LOGS/$name"
	cp -r "$dir"/tmp_check/log/. "$LOGS/$name" 2>/dev/null || true
	tap_results "$name" "$LOGS/$name.tap" "$2"
	sed -n 's/^# measured: /    /p' "$LOGS/$name.tap"
	if ! grep -q 'crashes on purpose' "$1"; then
		for log in "$LOGS/$name"/*.log; do server_results "$log"; done
	fi
	rm -rf "$dir"
}

# Each fuzzer is one test: it ran, and found nothing.
stage_fuzz() {
	local file name

	[ -d test/fuzz ] || return 0
	COMMAND_LIMIT=$((COMMAND_LIMIT + FUZZ_SECONDS * $(find test/fuzz -name 'fuzz_*.c' | wc -l)))
	run "$LOGS/fuzz.log" "${MAKE[@]}" -k -C test/fuzz check "SECONDS_EACH=$FUZZ_SECONDS" || true
	for file in test/fuzz/fuzz_*.c; do
		name=$(basename "$file" .c)
		if grep -q "\*\*\*.*check-${name#fuzz_}\]" "$LOGS/fuzz.log" || ! grep -q "^# $name:" "$LOGS/fuzz.log"; then
			fail "$name" "$LOGS/fuzz.log"
			cp -r test/fuzz/build/*.log test/fuzz/build/{crash,oom,timeout,leak}-* "$LOGS" 2>/dev/null || true
		else
			pass "$name"
		fi
	done
}
