-- A source of which each node reads a prefix of its own: what is of another slice there is read by nobody else, so it is rejected
\set name sellometer_own_slice_test
\getenv abs_srcdir PG_ABS_SRCDIR
\set source :abs_srcdir /sql/include/source.psql
\i :source
COPY (SELECT 1) TO PROGRAM 'cat > /dev/null; mkdir -p sellometer_own_slice_test/1 sellometer_own_slice_test/2 sellometer_own_slice_test/out1';
\set places :url '{slice}/'
\set archives :url 'out{slice}/'
\set same :url 'out1/'
SELECT current_database() AS db \gset

-- one call, the same on all nodes, says where each has its own
SELECT sellometer_add_source('shop', :'places', own_slice => true);
ALTER DATABASE :db SET sellometer.slice = '1/3';
SELECT sellometer_add_source('shop', :'places', archive_url => :'same', own_slice => true);
SELECT sellometer_add_source('shop', :'places', archive_url => :'archives', own_slice => true);
SELECT name, regexp_replace(url, '.*/(.*/)', '\1') AS url, regexp_replace(archive_url, '.*/(.*/)', '\1') AS archive_url, own_slice FROM sellometer.sources;
SELECT value FROM sellometer.set_up WHERE name = 'source shop';
SELECT sellometer_alter_source('shop', archive_url => :'same');
SELECT sellometer_alter_source('shop', archive_url => :'archives');
SELECT sellometer_alter_source('shop', same_content => 'count');

-- products 1 and 2 of the slice, in a file with what can't be used, and with what is of others
SELECT p, sellometer_slice_of(p, 3) FROM generate_series(1, 8) p;
SELECT p AS own FROM generate_series(1, 8) p WHERE sellometer_slice_of(p, 3) = 1 LIMIT 1 \gset
SELECT p AS other FROM generate_series(1, 8) p WHERE sellometer_slice_of(p, 3) <> 1 LIMIT 1 \gset
CREATE FUNCTION pg_temp.put(key text, VARIADIC lines text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('COPY (SELECT unnest(ARRAY[%L] || %L::text[])) TO %L', 'event_time,event_type,product_id,category_code,brand,price,user_session,user_id', lines,
		current_setting('data_directory') || '/sellometer_own_slice_test/1/' || key);
END
$$;
SELECT pg_temp.put('2019-10-01-10-00-1.csv', VARIADIC ARRAY(
	SELECT format('2019-10-01 10:%s:00,%s,%s,a.b,acme,1.50,s%s,%s', to_char(i % 20, 'FM00'), (ARRAY['view', 'cart', 'purchase', 'view'])[i % 4 + 1], :own, i % 5, i % 5) FROM generate_series(1, 200) i
	UNION ALL SELECT format('2019-10-01 10:05:00,purchase,%s,a.b,acme,1.50,s1,1', :other) FROM generate_series(1, 3)
	UNION ALL SELECT format('2019-10-01 10:05:00,purchase,%s,a.b,acme,-1,s1,1', :own) FROM generate_series(1, 2)
	UNION ALL SELECT format('2019-10-09 10:00:00,purchase,%s,a.b,acme,1,s1,1', :other)
	UNION ALL SELECT format('2019-10-09 10:00:00,purchase,%s,a.b,acme,1,s1,1', :own)));
\set load :abs_srcdir /sql/include/load.psql
\i :load
CALL pg_temp.load();
SELECT rows_total, rows_counted + rows_duplicate AS used, rows_rejected, rows_elsewhere, own_slice FROM sellometer.objects;
SELECT reason, column_name, detail, count(*) FROM sellometer.rejected_rows GROUP BY 1, 2, 3 ORDER BY 1, 3;
SELECT severity, detail, hint FROM sellometer.health WHERE name = 'misplaced rows of shop';
SELECT verdict, reason, count(*) FROM sellometer_events(NULL, NULL, '-infinity', 'infinity') GROUP BY 1, 2 ORDER BY 1, 2;

-- tried anew, they are still of another slice; and nothing is another's when sums are made anew
SELECT sellometer_retry('shop', '2019-10-01-10-00-1.csv');
SELECT sellometer_replay('shop', '-infinity', 'infinity');
SELECT rows_total, rows_counted + rows_duplicate AS used, rows_rejected, rows_elsewhere FROM sellometer.objects;
SELECT product_id = :own AS own, sum(count) FROM sellometer.product_id_minute WHERE event_type = 'purchase' GROUP BY 1;

-- a file that lies at the wrong place fails as a whole
SELECT pg_temp.put('2019-10-01-10-01-1.csv', VARIADIC ARRAY(SELECT format('2019-10-01 10:%s:00,purchase,%s,a.b,acme,1.50,s1,1', to_char(i % 20, 'FM00'), :other) FROM generate_series(1, 200) i));
CALL pg_temp.load();
SELECT state, rows_total, error FROM sellometer.objects WHERE key = '2019-10-01-10-01-1.csv';
SELECT sellometer_skip('shop', '2019-10-01-10-01-1.csv');

-- it archives what it alone reads, whatever its slice, and asks nobody
SELECT pg_temp.put('2019-10-01-12-00-1.csv', format('2019-10-01 12:30:00,purchase,%s,a.b,acme,1.50,s1,1', :own));
CALL pg_temp.load();
CALL sellometer_archive();
SELECT key, own_slice, rows, originals_deleted_at IS NOT NULL AS deleted FROM sellometer.archives;
SELECT key, state FROM sellometer.objects ORDER BY key;
SELECT sellometer_replay('shop', '-infinity', 'infinity');
SELECT verdict, reason, count(*) FROM sellometer_events(NULL, NULL, '-infinity', 'infinity') GROUP BY 1, 2 ORDER BY 1, 2;
SELECT name, detail FROM sellometer_check() WHERE NOT ok AND name IN ('ledger', 'tiers', 'totals', 'archives');

-- what was read as one node's own is not read as one of all later
SELECT sellometer_drop_source('shop');
\set own_place :url '1/'
SELECT sellometer_add_source('again', :'own_place');
SELECT sellometer_add_source('again', :'places', own_slice => true);
SELECT source, count(*) FROM sellometer.objects GROUP BY 1;
ALTER DATABASE :db RESET sellometer.slice;
\i :source
