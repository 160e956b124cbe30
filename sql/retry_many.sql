-- Many objects by a pattern or a state: retry, skip
\set name sellometer_many_test
\getenv abs_srcdir PG_ABS_SRCDIR
\set source :abs_srcdir /sql/include/source.psql
\i :source
\set url 'file://' :dir /in/
COPY (SELECT 1) TO PROGRAM 'cat > /dev/null; mkdir -p sellometer_many_test/in/a sellometer_many_test/in/b';
CREATE FUNCTION pg_temp.put(key text, VARIADIC lines text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('COPY (SELECT unnest(ARRAY[''event_time,event_type,product_id,price,user_session,user_id''] || %L::text[])) TO %L', lines,
		current_setting('data_directory') || '/sellometer_many_test/in/' || key);
END
$$;
CREATE VIEW pg_temp.ledger AS
SELECT key, state, rows_counted AS counted, rows_rejected AS rejected, attempts, unwanted, excluded,
	left(error, 40) AS error FROM sellometer.objects ORDER BY key, id;
SELECT sellometer_add_source('shop', :'url');
SELECT sellometer_alter_source('shop', same_content => 'count');

-- two kinds of bad files in two directories, good ones, and one with a row that is bad
SELECT pg_temp.put(d || '/bad-' || n || '.csv', 'so,much', n::text) FROM unnest('{a,b}'::text[]) d, generate_series(1, 3) n;
SELECT pg_temp.put('a/good.csv', '2019-10-01 10:00:00,purchase,1,1,s,1');
SELECT pg_temp.put('a/part.csv', '2019-10-01 10:00:00,purchase,1,1,s,1', '2019-10-01 10:00:00,cup,1,1,s,1', '2015-10-01 10:00:00,purchase,1,1,s,1');
CALL sellometer_ingest();
SELECT * FROM pg_temp.ledger;

-- skipped by a pattern; what is done is not touched by it
SELECT sellometer_skip('shop', pattern => 'a/*');
SELECT key, state, unwanted FROM pg_temp.ledger;
SELECT sellometer_skip('shop', pattern => 'a/*');
-- tried anew by state: the others only; they fail again, and those that were skipped are not seen
SELECT sellometer_retry('shop', state => 'failed');
SELECT key, state, attempts, error FROM pg_temp.ledger WHERE key LIKE '%bad%';
SELECT count(*) FROM sellometer.rejected_rows WHERE key LIKE '%bad%';
CALL sellometer_ingest();
SELECT key, state, error FROM pg_temp.ledger WHERE key LIKE '%bad%';
-- both
SELECT sellometer_retry('shop', state => 'skipped', pattern => '*-[12].csv');
SELECT key, state, unwanted FROM pg_temp.ledger WHERE key LIKE '%bad%';
-- a pattern alone: what has failed or waits for its next attempt
UPDATE sellometer.objects SET error = 'slow down', next_attempt = 'infinity', attempts = 9 WHERE key = 'a/bad-1.csv';
SELECT sellometer_retry('shop', pattern => '*-1.csv');
SELECT key, state, attempts, next_attempt FROM sellometer.objects WHERE key LIKE '%bad-1%' ORDER BY key;
-- waiting ones are skipped by state
SELECT sellometer_skip('shop', state => 'pending', pattern => '?/bad-1.csv');
SELECT key, state FROM pg_temp.ledger WHERE key LIKE '%bad%';
-- left out by the source's own patterns: not by this call
SELECT sellometer_alter_source('shop', exclude => '{b/*}');
SELECT sellometer_retry('shop', state => 'skipped');
SELECT key, state, excluded FROM pg_temp.ledger WHERE key LIKE '%bad%';
SELECT sellometer_alter_source('shop', exclude => '{}');
SELECT key, state, excluded FROM pg_temp.ledger WHERE key LIKE '%bad%';
CALL sellometer_ingest();

-- what is loaded: rows that can be used by now
SELECT sellometer_retry('shop', state => 'done');
SELECT sellometer_add_tier('day', '1 day');
SELECT sellometer_retry('shop', state => 'done');
SELECT key, counted, rejected FROM pg_temp.ledger WHERE state = 'done';
SELECT sellometer_retry('shop', state => 'archived');
-- one that can't be read doesn't keep the others from it
SELECT pg_temp.put('a/more-' || n || '.csv', '2019-10-01 10:00:00,purchase,1,' || n || ',s,1', '2019-10-03 11:00:00,purchase,1,1,s,1') FROM generate_series(1, 3) n;
CALL sellometer_ingest();
SELECT key, counted, rejected FROM pg_temp.ledger WHERE key LIKE 'a/more%';
SELECT pg_temp.put('a/most.csv', '2019-10-01 10:00:00,purchase,1,1,s,1', '2019-10-01 10:00:01,purchase,1,1,s,1', '2019-10-01 10:00:02,purchase,1,1,s,1',
	'2019-10-01 10:00:03,purchase,1,1,s,1', '2019-10-01 10:00:04,purchase,1,1,s,1', '2019-10-01 10:00:05,purchase,1,1,s,1', '2019-10-' || n || ' 11:00:00,purchase,1,1,s,1')
FROM generate_series(10, 10) n;
COPY (SELECT 1) TO PROGRAM 'cat > /dev/null; cd sellometer_many_test/in/a; for n in 1 2 3; do sed "s/,1,s,1/,$n,s,1/" most.csv > jump-$n.csv; done; rm most.csv';
CALL sellometer_ingest();
COPY (SELECT 1) TO PROGRAM 'cat > /dev/null; rm sellometer_many_test/in/a/jump-2.csv';
SET sellometer.max_clock_jump = '100 d';
\set VERBOSITY terse
SELECT sellometer_retry('shop', state => 'done', pattern => 'a/jump*');
SELECT key, counted, rejected FROM pg_temp.ledger WHERE key LIKE 'a/jump%';
RESET sellometer.max_clock_jump;

-- a content that has changed is no matter for this
SELECT pg_temp.put('a/good.csv', '2019-10-01 10:00:00,purchase,1,2,s,1');
CALL sellometer_ingest();
SELECT sellometer_retry('shop', pattern => 'a/good.csv');
SELECT sellometer_skip('shop', pattern => 'a/good.csv');
SELECT key, state FROM pg_temp.ledger WHERE key = 'a/good.csv';
SELECT name, detail FROM sellometer_check() WHERE NOT ok AND name IN ('ledger', 'tier hour is the sum of minute', 'dimensions of tier minute');

-- what can't be meant
SELECT sellometer_retry('shop');
SELECT sellometer_skip('shop');
SELECT sellometer_retry('shop', 'a/good.csv', pattern => '*');
SELECT sellometer_retry('shop', pattern => '*', replace => true);
SELECT sellometer_retry('none', pattern => '*');
SELECT sellometer_skip('none', state => 'failed');
SELECT sellometer_retry('shop', state => 'fialed');
SELECT sellometer_skip('shop', state => 'done');
SELECT sellometer_retry('shop', pattern => 'a[');
SELECT sellometer_skip('shop', pattern => '/a/*');
SELECT sellometer_retry(NULL, state => 'failed');

SET client_min_messages = warning;
DROP EXTENSION sellometer CASCADE;
COPY (SELECT 1) TO PROGRAM 'cat > /dev/null; rm -rf sellometer_many_test';
