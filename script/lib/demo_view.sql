-- What the live view of script/demo shows.  Lines of fields between bars, the first says what follows; :n keys of each.
\pset format unaligned
\pset fieldsep '|'
\pset tuples_only on
SET TimeZone = 'UTC';
SELECT 'status', to_char(head, 'HH24:MI'), ceil(extract(epoch FROM event_lag))::int, pending_objects, backlog_objects,
	failed_objects, coalesce(last_error, '') FROM sellometer.status;
SELECT 'objects', count(*) FILTER (WHERE state = 'done'), to_char(sum(rows_total), 'FM999,999,999,999'),
	to_char(sum(rows_rejected), 'FM999,999,999,990'), to_char(sum(rows_duplicate), 'FM999,999,999,990'),
	coalesce(to_char(max(extract(epoch FROM ingested_at - last_modified)) FILTER (WHERE ingested_at > now() - interval '3 seconds'),
		'FM990.0'), '') FROM sellometer.objects;
SELECT 'minute', to_char(event_time, 'HH24:MI'), sum(count), round(coalesce(sum(gmv) FILTER (WHERE event_type = 'purchase'), 0)),
	to_char(sum(count), 'FM999,999,999'), to_char(sum(gmv) FILTER (WHERE event_type = 'purchase'), 'FM999,999,999,990.00')
FROM sellometer.category_l1_minute
WHERE event_time > (SELECT head FROM sellometer.state) - interval '1 hour'
GROUP BY event_time ORDER BY event_time;
SELECT 'product', product_id, round(gmv), to_char(gmv, 'FM999,999,999,990') FROM sellometer.purchase_product_id_rank LIMIT :n;
SELECT 'brand', translate(brand, E'|\n\r\t', '    '), round(gmv), to_char(gmv, 'FM999,999,999,990') FROM sellometer.purchase_brand_rank LIMIT :n;
SELECT 'category', CASE WHEN split_part(category_l2, '.', 1) = split_part(category_l2, '.', 2) THEN split_part(category_l2, '.', 1)
	ELSE category_l2 END, round(gmv), to_char(gmv, 'FM999,999,999,990')
FROM sellometer.purchase_category_l2_rank LIMIT :n;
