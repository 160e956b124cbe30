# Part of script/demo: the worker seen at work.

HEAD_LINES=7					# above what sells best
TOP_SHARES=(26 32 42)			# percent of the width for products, brands, categories, side by side

# A bar while the worker loads the history, from sellometer.progress and the ledger.
show_loading() {
	local share bytes rows speed done waiting last=-1

	hide_cursor
	for (( ; ; )); do
		IFS='|' read -r share bytes rows speed done waiting < <(sql -At -F '|' <<-'SQL'
			SELECT coalesce(least(1000, 1000 * p.bytes_done / nullif(p.bytes_total, 0)), CASE WHEN o.done > 0 AND o.waiting = 0 THEN 1000 ELSE 0 END),
				coalesce(p.bytes_done, 0) / 1000000, to_char(coalesce(p.rows_done, o.rows), 'FM999,999,999,990'),
				coalesce(to_char(p.rows_done / nullif(extract(epoch FROM clock_timestamp() - p.started), 0), 'FM999,999,990') || ' events/s', ''),
				o.done, o.waiting
			FROM (SELECT count(*) FILTER (WHERE state = 'done') AS done, count(*) FILTER (WHERE state = 'pending') AS waiting,
					coalesce(sum(rows_total), 0) AS rows FROM sellometer.objects) o
			LEFT JOIN sellometer.progress p ON p.task = 'load'
		SQL
		)
		measure_screen
		bar "$share" $((WIDTH > 90 ? 40 : WIDTH - 55 > 10 ? WIDTH - 55 : 10))
		if [ $TTY = 1 ]; then
			draw "    Load  $BLUE$BAR$DIM$REST$PLAIN $((share / 10)) %  $rows events  $speed"
		elif [ $((share / 100)) != $last ]; then
			last=$((share / 100))
			draw "    Load  $BAR$REST $((share / 10)) %  $rows events  $speed"
		fi
		if [ "$done" -gt 0 ] && { [ "$waiting" = 0 ] || [ "$share" = 1000 ]; }; then break; fi
		sleep 0.2
	done
	if [ $TTY = 1 ]; then draw; fi
	keep_drawn
	IFS='|' read -r done rows speed share < <(sql -At -F '|' <<-'SQL'
		SELECT count(*), to_char(sum(rows_total), 'FM999,999,999,990'),
			to_char(extract(epoch FROM max(ingested_at) - min(discovered_at)), 'FM990.0'),
			to_char(sum(rows_total) / extract(epoch FROM max(ingested_at) - min(discovered_at)), 'FM999,999,990')
		FROM sellometer.objects WHERE state = 'done'
	SQL
	)
	printf '  %s%s%s Loaded %s files, %s events, in %s s: %s events/s\n' "$GREEN" "$DONE" "$PLAIN" "$done" "$rows" "$speed" "$share"
}

# For some seconds, each second: events and GMV a minute, and what sells best.
show_live() {
	local lines end shown='' stop=0

	echo
	if [ $TTY = 0 ]; then
		read_view && make_lines && draw "${lines[@]}"
	fi
	trap 'stop=1' INT
	end=$((SECONDS + LOOK))
	while [ $stop = 0 ] && [ $SECONDS -lt $end ]; do
		read_view || break
		if [ $TTY = 1 ]; then
			make_lines
			draw "${lines[@]}"
		elif [ "$shown" != "$LAST_MINUTE" ]; then
			echo "  $LAST_MINUTE  $LAST_EVENTS events, GMV $LAST_GMV"
			shown=$LAST_MINUTE
		fi
		sleep 1 || true
	done
	trap 'exit 130' INT
	keep_drawn
	show_cursor
}

# What the late files add, in their own minutes.
merge_late() {
	local late lines

	late=$(sql -At -c "SELECT count(*) FROM sellometer.objects WHERE state = 'backlog'")
	if [ "$late" = 0 ]; then return; fi
	echo
	step "Merge $late late files into their minutes" sql -c 'CALL sellometer_merge_backlog()'
	if read_view; then
		make_lines
		echo
		printf '%s\n' "${lines[3]}" "${lines[4]}"
	fi
}

# The query's answer, in the arrays and variables that make_lines draws.
read_view() {
	local what a b c d e f

	STATUS='' OBJECTS='' EVENTS=() GMV=() MINUTES=() KEYS=() WEIGHTS=() TEXTS=() SECTIONS=()
	LAST_MINUTE='' LAST_EVENTS=0 LAST_GMV=0
	while IFS='|' read -r what a b c d e f; do
		case $what in
			status)
				STATUS="head $a UTC $DOT $b s behind $DOT $c waiting $DOT $d late $DOT $e failed"
				if [ -n "$f" ]; then STATUS+=" $DOT $f"; fi
				;;
			objects) OBJECTS="$a files $DOT $b events $DOT $d repeated views $DOT $c rejected" ;;
			minute)
				EVENTS+=("$b") GMV+=("$c")
				LAST_MINUTE=$a LAST_EVENTS=$d LAST_GMV=${e:-0}
				;;
			*)
				SECTIONS+=("$what") KEYS+=("$a") WEIGHTS+=("$b") TEXTS+=("$c")
				;;
		esac
	done < <(sql -v n=10 -f script/lib/demo_view.sql)
	[ ${#EVENTS[@]} -gt 0 ]
}

# Into $lines, as many as fit on the screen.
make_lines() {
	local room top

	measure_screen
	room=$((WIDTH - 32 < 40 ? WIDTH - 32 : 40))
	lines=("  $DIM${STATUS:0:WIDTH - 2}$PLAIN" "  $DIM${OBJECTS:0:WIDTH - 2}$PLAIN" "")
	sparkline "${EVENTS[@]:(${#EVENTS[@]} > room ? -room : 0)}"
	lines+=("  ${BOLD}events/min$PLAIN  $BLUE$SPARK$PLAIN  $LAST_EVENTS")
	sparkline "${GMV[@]:(${#GMV[@]} > room ? -room : 0)}"
	lines+=("  ${BOLD}GMV/min$PLAIN     $GREEN$SPARK$PLAIN  $LAST_GMV" "")
	if [ $WIDTH -ge 110 ]; then
		top=$((ROWS - HEAD_LINES - 2))
		side_by_side $((top < 8 ? top : 8))
	else
		top=$(((ROWS - HEAD_LINES - 4) / 3))
		one_below_the_other $((top < 5 ? top : 5))
	fi
}

# section_rows SECTION WIDTH TOP: its first lines in $rows: key, bar, gmv.
section_rows() {
	local section=$1 width=$2 top=$3 i most=1 key_width=8 cells pad

	for i in "${!SECTIONS[@]}"; do
		if [ "${SECTIONS[i]}" = "$section" ] && [ ${#KEYS[i]} -gt $key_width ]; then key_width=${#KEYS[i]}; fi
	done
	if [ $key_width -gt $((width * 3 / 5)) ]; then key_width=$((width * 3 / 5)); fi
	cells=$((width - key_width - 14))
	rows=()
	for i in "${!SECTIONS[@]}"; do
		if [ "${SECTIONS[i]}" = "$section" ] && [ ${#rows[@]} -lt $top ]; then
			if [ ${#rows[@]} = 0 ]; then most=$((WEIGHTS[i] > 0 ? WEIGHTS[i] : 1)); fi
			fit "${KEYS[i]}" $key_width
			bar $((1000 * WEIGHTS[i] / most)) $cells
			printf -v pad '%12s' "${TEXTS[i]}"
			rows+=("$FIT $GREEN$BAR$PLAIN${SPACES:0:${#REST}}$pad")
		fi
	done
}

one_below_the_other() {
	local section rows row

	for section in product brand category; do
		section_rows $section $((WIDTH - 4 < 76 ? WIDTH - 4 : 76)) "$1"
		lines+=("  ${BOLD}top $section by GMV$PLAIN, purchases of the last hour")
		for row in "${rows[@]}"; do lines+=("  $row"); done
	done
}

side_by_side() {
	local sections=(product brand category) rows i j width all=() head=''

	for i in 0 1 2; do
		width=$(((WIDTH - 6) * TOP_SHARES[i] / 100))
		section_rows "${sections[i]}" $width "$1"
		fit "top ${sections[i]} by GMV" $width
		head+="  $BOLD$FIT$PLAIN"
		for j in "${!rows[@]}"; do all[j]="${all[j]:-}  ${rows[j]}"; done
	done
	lines+=("$head" "${all[@]}")
}
