# Part of test/draw/check: what the dashboards are asked about.
#
#	draw_load SECONDS	loads a month that ends with the minute that SECONDS (since 1970) is in, into database "shop"; "empty" stays empty
#
# Stock runs out, prices are said to be wrong now and to have been so, rows are bad, a source can't be read, and what objects.py says;
# OUTAGES is what that prints.  DRAW_RATE: events a minute.  DRAW_PLAIN=1: all is well, but for prices and stock; for pictures.

draw_traffic() {
	"$ROOT/test/traffic/traffic" generate --one-file - --start "$(date -u -d "@$(($1 - 30 * 86400))" '+%Y-%m-%d %H:%M:%S')" --minutes 43200 \
		--rate "${DRAW_RATE:-100}" --products 3000 --brands 400 --day-curve 0.5 --wobble 0.1 --bad "$([ -n "${DRAW_PLAIN:-}" ] && echo 0 || echo 0.001)" \
		--bad-kinds bad_event_type,bad_product_id,bad_price,bad_category_id,bad_user_id,column_count,key_too_long --quiet
}

# Of the best products: five whose stock doesn't last; and as if detectors had run all day, six open alerts and six closed ones.
draw_alerts() {
	sql <<-SQL
		INSERT INTO sellometer.inventory (product_id, stock, as_of, lead_time)
		SELECT key::bigint, 1 + count / 8, date_trunc('minute', head - interval '2 hours'), interval '30 hours'
		FROM sellometer.state, sellometer_top('product_id', 'purchase', head - interval '1 day', head, 5, 'count');
		CALL sellometer_detect();
		INSERT INTO sellometer.alerts (kind, severity, dimension, key, event_time, observed, expected, score, detail, opened_at, closed_at)
		SELECT 'price_anomaly', (ARRAY['critical', 'warning'])[1 + i % 2], 'product_id', key, at, observed, expected, 12,
			format('%s %s since %s UTC, usually %s, over %s sales', sellometer.key_in_words('product_id', key), sellometer.price_in_words(observed, 'costs '),
				to_char(at AT TIME ZONE 'UTC', 'HH24:MI'), sellometer.price_in_words(expected), count), at + interval '70 s', CASE WHEN i > 5 THEN at + interval '41 min' END
		FROM (SELECT key, count, round(avg_price, 2) AS expected, round(avg_price / 10, 2) AS observed, i, head - interval '7 min' - i * interval '83 min' AS at
			FROM sellometer.state, sellometer_top('product_id', 'purchase', head - interval '1 day', head, 12) WITH ORDINALITY t (key, gmv, count, avg_price, name, n),
				LATERAL (SELECT (n - 1)::integer AS i) x) y
	SQL
}

draw_load() {
	local now=$(($1 / 60 * 60)) files

	mkdir -p "$WORK/gone"
	OUTAGES=$(draw_traffic "$now" | "$ROOT/test/draw/objects.py" "$WORK/in" "$now" ${DRAW_PLAIN:+--plain})
	files=$(find "$WORK/in" -name '*.csv' | wc -l)
	sql -c "SELECT sellometer_add_source('shop', 'file://$WORK/in/')" >/dev/null
	wait_in shop "(SELECT count(*) FROM sellometer.objects WHERE state IN ('done', 'failed', 'backlog')) >= $files"
	wait_in shop "(SELECT NOT bool_or(surge) FROM sellometer.status)"
	sql -c 'CALL sellometer_merge_backlog()' >/dev/null
	wait_in shop "NOT EXISTS (SELECT FROM sellometer.objects WHERE state NOT IN ('done', 'failed'))"
	if [ -z "${DRAW_PLAIN:-}" ]; then
		sql -c "SELECT sellometer_add_source('branch', 'file://$WORK/gone/')" >/dev/null
		chmod 0 "$WORK/gone"
		wait_in shop "EXISTS (SELECT FROM sellometer.sources WHERE last_error_at IS NOT NULL)"
	fi
	sql -c 'CALL sellometer_rollup()' -c 'CALL sellometer_prune()' >/dev/null
	draw_alerts >/dev/null
	# who may see rows, too, so that links to them are drawn
	sql -c 'CREATE ROLE grafana LOGIN' -c "SELECT sellometer_grant_reader('grafana', errors => true)" \
		-c 'GRANT EXECUTE ON FUNCTION sellometer_events TO grafana' -c 'VACUUM ANALYZE' >/dev/null
	sql -d empty -c "SELECT sellometer_grant_reader('grafana')" >/dev/null
}
