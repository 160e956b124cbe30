# Part of script/demo: what it draws.  On a terminal with colours and in place, else as plain lines; with block characters
# where the locale is UTF-8, else in ASCII.

MAX_WIDTH=120

prepare_screen() {
	BOLD='' DIM='' GREEN='' BLUE='' RED='' PLAIN=''
	TTY=0
	if [ -t 1 ] && [ "${TERM:-dumb}" != dumb ]; then
		TTY=1
		if [ -z "${NO_COLOR:-}" ]; then
			BOLD=$'\e[1m' DIM=$'\e[2m' GREEN=$'\e[32m' BLUE=$'\e[34m' RED=$'\e[31m' PLAIN=$'\e[0m'
		fi
	fi
	if [ "$(locale charmap)" = UTF-8 ]; then
		BLOCKS=('' ▏ ▎ ▍ ▌ ▋ ▊ ▉ █) EMPTY=░ HEIGHTS=(▁ ▂ ▃ ▄ ▅ ▆ ▇ █) DOT=· DONE=✓ DASH=– MORE=…
	else
		BLOCKS=('' '' '' '' '' '' '' '' '#') EMPTY=. HEIGHTS=(_ . - = + '*' '#' @) DOT='|' DONE=ok DASH=- MORE='~'
	fi
	printf -v SPACES '%*s' $MAX_WIDTH ''
	FULL_LINE=${SPACES// /${BLOCKS[8]}}
	EMPTY_LINE=${SPACES// /$EMPTY}
	WIDTH=80
	DRAWN=0
	measure_screen
}

# The terminal may change its size meanwhile.
measure_screen() {
	local size

	if [ $TTY = 1 ] && size=$(stty size <&1 2>/dev/null) && [ "${size#* }" -gt 0 ]; then
		ROWS=${size% *} WIDTH=${size#* }
	else
		ROWS=24 WIDTH=${COLUMNS:-80}
	fi
	[ "$WIDTH" -le $MAX_WIDTH ] || WIDTH=$MAX_WIDTH
	[ "$WIDTH" -ge 40 ] || WIDTH=40
}

# bar SHARE CELLS: a bar in $BAR, of a share in thousandths; its empty part in $REST.
bar() {
	local eighths=$(($1 * $2 * 8 / 1000))

	BAR=${FULL_LINE:0:eighths / 8}${BLOCKS[eighths % 8]}
	REST=${EMPTY_LINE:0:$2 - ${#BAR}}
}

# sparkline NUMBER...: heights between the least and the greatest, in $SPARK.
sparkline() {
	local n least=$1 most=$1

	SPARK=''
	for n in "$@"; do
		if [ "$n" -lt "$least" ]; then least=$n; fi
		if [ "$n" -gt "$most" ]; then most=$n; fi
	done
	for n in "$@"; do
		SPARK+=${HEIGHTS[most > least ? (n - least) * 7 / (most - least) : 3]}
	done
}

# fit TEXT CELLS: in $FIT, cut or filled to that width.
fit() {
	if [ ${#1} -gt "$2" ]; then
		FIT=${1:0:$2 - ${#MORE}}$MORE
	else
		FIT=$1${SPACES:0:$2 - ${#1}}
	fi
}

# draw LINE...: on a terminal in place of what was drawn last.
draw() {
	local line

	if [ $TTY = 1 ] && [ $DRAWN -gt 0 ]; then printf '\e[%dA' $DRAWN; fi
	for line in "$@"; do
		if [ $TTY = 1 ]; then printf '\r\e[K'; fi
		printf '%s\n' "$line"
	done
	if [ $TTY = 1 ]; then printf '\e[J'; fi
	DRAWN=$#
}

# What is drawn stays; the next begins below.
keep_drawn() {
	DRAWN=0
}

hide_cursor() {
	if [ $TTY = 1 ]; then printf '\e[?25l'; fi
}

show_cursor() {
	if [ $TTY = 1 ]; then printf '\e[?25h'; fi
}

seconds_now() {
	local now=$EPOCHREALTIME

	NOW_MS=$((${now/[.,]/} / 1000))
}

# step TEXT COMMAND...: do it, and say so with the time it took; what it prints goes to a log that is shown if it fails.
step() {
	local text=$1 log start status=0

	shift
	log=$DEMO/logs/${1//[^a-z_]/}.log
	seconds_now
	start=$NOW_MS
	if [ $TTY = 1 ]; then printf '  %s%s %s%s' "$DIM" "$MORE" "$text" "$PLAIN"; fi
	STEP_NOTE=''
	"$@" > "$log" 2>&1 || status=$?
	seconds_now
	if [ $TTY = 1 ]; then printf '\r\e[K'; fi
	if [ $status -ne 0 ]; then
		printf '  %sfailed:%s %s\n\n' "$RED" "$PLAIN" "$text"
		tail -30 "$log"
		exit 1
	fi
	fit "$text${STEP_NOTE:+: $STEP_NOTE}" $((WIDTH - 14))
	printf '  %s%s%s %s %s%4d.%d s%s\n' "$GREEN" "$DONE" "$PLAIN" "$FIT" "$DIM" $(((NOW_MS - start) / 1000)) \
		$(((NOW_MS - start) % 1000 / 100)) "$PLAIN"
}
