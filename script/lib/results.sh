# Part of script/test: what came out.  Each test is a line of $RESULTS: "pass" or "fail", stage, name, between tabs.

SHOWN=

pass() {
	printf 'pass\t%s\t%s\n' "$STAGE" "$1" >> "$RESULTS"
}

# fail NAME [LOG]: also shows the end of the log, unless it has been shown.
fail() {
	printf 'fail\t%s\t%s\n' "$STAGE" "$1" >> "$RESULTS"
	printf 'FAILED  %s: %s\n' "$STAGE" "$1"
	if [ -n "${2:-}" ] && [ "$2" != "$SHOWN" ]; then
		SHOWN=$2
		show < "$2"
	fi
}

# Indented; of much only the beginning and the end.
show() {
	awk '{ line[NR] = $0 } END { for (i = 1; i <= NR; i++) {
		if (NR <= 60 || i <= 25 || i > NR - 30) print "        " line[i]
		else if (i == 26) print "        ... " NR - 55 " lines ..."
	} }'
}

# count VERDICT [STAGE]
count() {
	grep -c -P "^$1\t${2:-}" "$RESULTS" || true
}

# tap_results NAME LOG STATUS: the tests of a program that prints TAP.  Skipping one is a failure, as is a plan that isn't
# kept, or an exit status that doesn't fit.  A "not ok" marked TODO is expected, and counts as neither.
tap_results() {
	local name=$1 log=$2 status=$3 verdict text failed=0

	while IFS=$'\t' read -r verdict text; do
		if [ "$verdict" = pass ]; then
			pass "$name: $text"
		else
			fail "$name: $text"
			failed=1
		fi
	done < <(tr '\t' ' ' < "$log" | awk -v status="$status" '
		function is(directive) { return tolower($0) ~ "# *" directive }
		/^1\.\.[0-9]+/ {
			planned = 1
			plan = substr($1, 4) + 0
			if (is("skip")) all_skipped = $0
		}
		/^(not )?ok( |$)/ {
			ran++
			text = $0
			sub(/^(not )?ok *[0-9]* *-? */, "", text)
			if (is("skip")) { bad++; print "fail\tskipped: " text }
			else if (/^ok/) print "pass\t" text
			else if (!is("todo")) { bad++; print "fail\t" text }
		}
		END {
			if (all_skipped != "") print "fail\tskipped as a whole: " all_skipped
			else if (!planned) print "fail\tended early, after " ran + 0 " tests (exit status " status ")"
			else if (plan != ran) print "fail\tplanned " plan " tests, ran " ran + 0
			else if (status != 0 && !bad) print "fail\texit status " status
		}')
	if [ $failed = 1 ]; then
		grep -v '^ok ' "$log" | show
	fi
}

# regress_results LOG DIFFS NAME...: the tests of pg_regress or pg_isolation_regress, each of which must have run.  Up to
# PostgreSQL 15 these print "test NAME ... ok", from 16 on TAP.
regress_results() {
	local log=$1 diffs=$2 name verdict

	shift 2
	for name in "$@"; do
		verdict=$(sed -n -E -e "s/^(test| +) *$name +\.\.\. (ok|FAILED).*/\2/p" \
			-e "s/^(ok|not ok) +[0-9]+ +[-+] +$name( .*)?$/\1/p" "$log" | head -1)
		case $verdict in
			ok) pass "$name" ;;
			"") fail "$name was not run" "$log" ;;
			*)
				fail "$name"
				if [ -e "$diffs" ]; then
					awk -v out="/$name.out " '/^diff / { wanted = index($0 " ", out) } wanted' "$diffs" | show
				fi
				;;
		esac
	done
}

# server_results LOG: a server that crashed has failed, whatever the tests say.  Signal 9 comes from the tests only.
server_results() {
	local signs='was terminated by signal ([1-8]|1[0-9])\>|TRAP: |PANIC: '

	if grep -q -E "$signs" "$1"; then
		fail "the server crashed"
		grep -E -B5 -A5 "$signs" "$1" | show
	fi
}

# The closing lines, and the exit status.
conclude() {
	local failed

	failed=$(count fail)
	if [ "$KEEP" = 1 ]; then
		echo "Everything is kept in $WORK"
	elif [ "$failed" -gt 0 ]; then
		echo "Logs are kept in $LOGS"
	fi
	echo "$(count pass) passed, $failed failed"
	[ "$failed" -eq 0 ] && [ "$(count pass)" -gt 0 ] || exit 1
}
