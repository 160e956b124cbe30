# sellometer_events(): the rows behind a sum.  What is counted adds up to the tiers, for all keys, and what became of each row is what the
# ledger, and plain SQL over the raw rows, say: under late data, after archiving, replay, replace and unload, and without the view log.
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use SlmHistory;
use SlmRandom;
use SlmTest;
use Test::More;

my $seed = $ENV{SLM_SEEDS} || 1;
my $node = slm_node('events', conf => <<'CONF');
fsync = off
log_checkpoints = off
sellometer.poll_interval = 50ms
sellometer.debug_chunk_rows = 300
CONF
my @dimensions = qw(product_id brand category_l1 category_l2 category_l3);
my @types = qw(view cart remove_from_cart purchase);
my %dir = map { $_ => slm_directory($node, $_) } qw(now in in_b in_c out out_c);

sub value { return $node->safe_psql('shop', 'SET client_min_messages = warning; ' . $_[0]); }

# What a statement prints, errors included.
sub said
{
	my ($sql) = @_;
	my ($status, $stdout, $stderr) = $node->psql('shop', $sql, on_error_stop => 0);
	return $stderr;
}

# All rows there are, into table found; what was there before is in table before.
sub find_all
{
	value('DROP TABLE IF EXISTS before; ALTER TABLE IF EXISTS found RENAME TO before;
		CREATE UNLOGGED TABLE found AS SELECT * FROM sellometer_events(NULL, NULL, NULL, NULL); ANALYZE found');
	return;
}

# What counted adds up to all rows of a tier, and to no others.
sub sums_are
{
	my ($name, $tier) = @_;
	my $below = $tier eq 'minute' ? '' : "WHERE event_time < (SELECT watermark FROM sellometer.tiers WHERE name = '$tier')";
	my $differences = join('', map {
		my $expected = "SELECT date_bin('1 $tier', event_time, '2000-01-01Z') AS event_time, type::text, $_, sum(quantity), sum(price * quantity)
			FROM found WHERE verdict = 'counted' GROUP BY 1, 2, 3";
		my $actual = "SELECT event_time, event_type::text, $_, count, gmv FROM sellometer.${_}_$tier $below";
		value("WITH e AS (SELECT * FROM ($expected) x $below), a AS ($actual)
			(SELECT '$_ missing', * FROM (TABLE a EXCEPT ALL TABLE e) x LIMIT 3) UNION ALL (SELECT '$_ unexpected', * FROM (TABLE e EXCEPT ALL TABLE a) x LIMIT 3)")
	} @dimensions);

	local $Test::Builder::Level = $Test::Builder::Level + 2;
	is($differences, '', "$name: the sums over counted are the rows of tier $tier");
	return;
}

# A key of a dimension, an hour and a type give the rows of all that are of these.
sub some_are
{
	my ($name, $n) = @_;
	my ($wrong, $some) = ('', 0);

	for (1 .. $n)
	{
		my ($dimension, $type) = (pick(@dimensions), pick(@types, 'view', 'purchase'));
		my ($from, $key) = split(/\t/, value("SELECT format(E'%s\\t%s', date_trunc('hour', event_time), $dimension) FROM found
			WHERE type = '$type' AND $dimension IS NOT NULL AND event_time IS NOT NULL ORDER BY md5(line::text || object || ${\int rand 1e6}) LIMIT 1"), 2);
		my $minutes = pick(1, 7, 60, 150);
		my ($literal, $to) = ($key =~ s/'/''/gr, "'$from'::timestamptz + interval '$minutes min'");
		my $asked = "sellometer_events('$dimension', '$literal', '$from', $to, '$type')";
		# which of equal rows is named is told among those that were asked for
		my $columns = 'event_time, type, product_id, category_id, category_code, brand, category_l3, price, user_id, user_session, quantity, '
		  . 'verdict, reason, detail, source, object, archive, line, counted_time';
		my $row = value("WITH a AS (SELECT $columns FROM $asked), e AS (SELECT $columns FROM found
				WHERE $dimension = '$literal' AND event_time >= '$from' AND event_time < $to AND type = '$type')
			-- a rejected row is found where its object has others
			SELECT (SELECT count(*) FROM (TABLE a EXCEPT ALL TABLE e) x), (SELECT count(*) FROM (TABLE e EXCEPT ALL TABLE a) x WHERE verdict <> 'rejected'
				OR EXISTS (SELECT FROM found f WHERE f.source = x.source AND f.object = x.object AND f.verdict IN ('counted', 'duplicate') AND f.event_time >= '$from' AND f.event_time < $to)),
			(SELECT count(*) > 0 FROM a),
			(SELECT (coalesce(sum(quantity), 0), coalesce(sum(price * quantity), 0)) FROM $asked WHERE verdict = 'counted')
				= (SELECT (coalesce(sum(count), 0), coalesce(sum(gmv), 0)) FROM sellometer.${dimension}_minute
					WHERE $dimension = '$literal' AND event_type = '$type' AND event_time >= '$from' AND event_time < $to)");

		$wrong .= "$asked: $row\n" if $row !~ /^0\|0\|.\|t$/;
		$some += $row =~ /t\|t$/;
	}
	$wrong .= "hardly any has rows: $some" if $some < $n / 2;
	local $Test::Builder::Level = $Test::Builder::Level + 2;
	is($wrong, '', "$name: $n calls give the rows of their key, time and type, and the sum of the tier");
	return;
}

# The ledger: what each object's rows came to.  Which of two objects counts a view it says as it was when they were loaded.
sub ledger_is
{
	my ($name, $taken_out) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 2;
	is(value("SELECT source, key, rows_total, rows_rejected, rows_expired, found FROM sellometer.objects o
		LEFT JOIN (SELECT source, object AS key, count(*) AS rows, count(*) FILTER (WHERE verdict = 'rejected') AS rejected,
			count(*) FILTER (WHERE verdict = 'expired') AS expired FROM found GROUP BY 1, 2) found USING (source, key)
		WHERE state IN ('done', 'archived') AND rows_total > 0
			AND (rows_total, rows_rejected, rows_expired) IS DISTINCT FROM (rows, rejected, expired) LIMIT 5"), '',
		"$name: each object has the rows, the rejected and the expired ones that the ledger says");
	is(value("SELECT source, object FROM found EXCEPT SELECT source, key FROM sellometer.objects WHERE state IN ('done', 'archived')"), '',
		'... and no object that does not count has any');
	is(value("SELECT count(*) FILTER (WHERE verdict = 'counted'), count(*) FILTER (WHERE verdict = 'duplicate') FROM found"),
		value("SELECT sum(rows_counted), sum(rows_duplicate) FROM sellometer.objects WHERE state IN ('done', 'archived')"),
		'... and of all rows as many are counted, and duplicates') unless $taken_out;
	return;
}

# Each duplicate has an event that counts instead: of its session or id, product and type, not later, and where it says.
sub duplicates_are
{
	my ($name) = @_;

	local $Test::Builder::Level = $Test::Builder::Level + 2;
	is(value("SELECT d.source, d.object, d.line, d.event_time, d.counted_time, d.counted_object, d.counted_line FROM found d WHERE verdict = 'duplicate'
		AND NOT EXISTS (SELECT FROM found c WHERE c.verdict = 'counted' AND c.type = d.type
			AND CASE WHEN d.type = 'view' THEN c.user_session = d.user_session ELSE c.event_id = d.event_id END
			AND c.product_id = d.product_id AND c.event_time <= d.event_time AND c.event_time = d.counted_time
			AND c.object = d.counted_object AND c.line = d.counted_line) LIMIT 5"), '', "$name: each duplicate names the event that counts");
	is(value("SELECT type, CASE WHEN type = 'view' THEN user_session ELSE event_id END, product_id, count(*) FROM found
		WHERE verdict = 'counted' AND CASE WHEN type = 'view' THEN user_session ELSE event_id END IS NOT NULL
		GROUP BY 1, 2, 3 HAVING count(*) <> 1 LIMIT 5"), '', '... of which there is one a session, or id, and product');
	return;
}

# The line that is named has the row.
sub lines_are
{
	my ($name, $n) = @_;
	my $wrong = '';

	for my $row (split(/\n/, value("SELECT source, object, coalesce(archive, ''), line, product_id, user_session FROM found
		WHERE user_session IS NOT NULL AND object !~ 'put-together' AND quantity = 1 ORDER BY md5(line::text || object || $seed) LIMIT $n")))
	{
		my ($source, $object, $archive, $line, $product, $session) = split(/\|/, $row);
		my $path = $archive ne '' ? "$dir{ $source eq 'c' ? 'out_c' : 'out' }/$archive" : { a => $dir{in}, b => $dir{in_b}, c => $dir{in_c} }->{$source} . "/$object";
		my ($text) = run_command([ 'sh', '-c', "gzip -dcf '$path' | tr -d '\\000' | sed -n ${line}p" ]);

		$wrong .= "$row: $text\n" if $text !~ /\Q$product\E/ || $text !~ /\Q$session\E/;
	}
	local $Test::Builder::Level = $Test::Builder::Level + 2;
	is($wrong, '', "$name: $n rows stand in the line that is named");
	return;
}

sub all_is_well
{
	my ($name, %options) = @_;

	note($name);
	find_all();
	note(value('SELECT verdict, coalesce(reason, $$$$), count(*) FROM found GROUP BY 1, 2 ORDER BY 1, 2'));
	is(value("SELECT count(*) FROM found WHERE verdict = 'unknown'"), '0', "$name: it is known of each row what became of it");
	sums_are($name, 'minute');
	sums_are($name, 'hour');
	ledger_is($name, $options{taken_out});
	duplicates_are($name);
	lines_are($name, 30);
	some_are($name, $options{calls} // 12);
	return;
}

# Row by row, what plain SQL makes of the raw files.
sub oracle_says_so
{
	my ($name) = @_;

	oracle_load($node, $dir{now});
	is(value("WITH e AS (SELECT e.object, e.line, coalesce(e.reason, 'taken') AS fate, e.t, e.event_type, e.product_id, e.price, e.brand, e.l3, e.quantity
			FROM oracle.event e JOIN oracle.object_total o USING (object) WHERE NOT o.failed AND e.reason IS NULL),
		a AS (SELECT object, line, 'taken' AS fate, event_time, type::text, product_id, price, brand, category_l3, quantity FROM found
			WHERE verdict IN ('counted', 'duplicate') AND object IN (SELECT object FROM oracle.object))
		(SELECT 'missing', * FROM (TABLE e EXCEPT ALL TABLE a) x LIMIT 3) UNION ALL (SELECT 'unexpected', * FROM (TABLE a EXCEPT ALL TABLE e) x LIMIT 3)"), '',
		"$name: each row that was taken, and what is in it, is what the oracle says");
	is(value("WITH e AS (SELECT e.object, e.line, e.reason FROM oracle.event e JOIN oracle.object_total o USING (object) WHERE NOT o.failed AND e.reason IS NOT NULL),
		a AS (SELECT object, line, reason FROM found WHERE verdict = 'rejected' AND object IN (SELECT object FROM oracle.object))
		(SELECT 'missing', * FROM (TABLE e EXCEPT ALL TABLE a) x LIMIT 3) UNION ALL (SELECT 'unexpected', * FROM (TABLE a EXCEPT ALL TABLE e) x LIMIT 3)"), '',
		'... and so is each that was rejected, and why');
	is(value("WITH e AS (SELECT t, event_type, product_id, brand, l1, l2, l3, price, quantity FROM oracle.counted),
		a AS (SELECT event_time, type::text, product_id, brand, category_l1, category_l2, category_l3, price, quantity FROM found
			WHERE verdict = 'counted' AND object IN (SELECT object FROM oracle.object))
		(SELECT 'missing', * FROM (TABLE e EXCEPT ALL TABLE a) x LIMIT 3) UNION ALL (SELECT 'unexpected', * FROM (TABLE a EXCEPT ALL TABLE e) x LIMIT 3)"), '',
		'... and what counts');
	return;
}

# --- what there is ---

# Files of one shop that were put together: headers by turns, in other orders, rows for more than one part.
sub put_together
{
	my $object = '';
	my $row = 0;

	for my $file (0 .. 7)
	{
		my @columns = (qw(event_time event_type product_id price brand user_session category_code), $file % 3 ? "note $file" : ());

		push @columns, shift @columns foreach (1 .. $file);
		$object .= join(',', @columns) . "\n";
		for (1 .. 100)
		{
			my %event = (event_time => sprintf('2019-10-01 02:%02d:%02d', $row / 60 % 60, $row % 60), event_type => $row % 3 ? 'view' : 'purchase',
				product_id => 900_000_000_000 + $row % 20, price => $row % 7 . '.25', brand => $row % 11 ? 'acme' : "\"a, \"\"me\"\"\"",
				user_session => 'together' . $row % 97, category_code => 'a.b');
			$object .= join(',', map { $event{$_} // '' } @columns) . "\n";
			$row++;
		}
	}
	return $object;
}

# Another shop's words: semicolons, commas in prices, pieces.
sub foreign
{
	my ($hour) = @_;
	return join("\n", 'ts;what;item;amount;session;pieces',
		map { join(';', 1569888000 + $hour * 3600 + $_ * 7, pick(qw(page_view page_view add order ping)), 700 + int rand 20, int(rand 90) . ',' . int(rand 9) . '0',
				'foreign' . int rand 40, pick('', 1, 3)) } 1 .. 150) . "\n";
}

srand($seed);
note("seed $seed");
traffic($dir{now}, '--seed' => $seed, '--minutes' => 240, '--servers' => 2, '--rate' => 60, '--products' => 60, '--gzip' => 0.3, '--pandas' => 0.1,
	'--quoted' => 0.02, '--iso' => 0.1, '--sticky' => 0.3, '--bad' => 0.03, '--session-gap' => 300);
traffic("$dir{now}/large", '--seed' => $seed + 1, '--events' => 1500, '--servers' => 1, '--rate' => 1500, '--products' => 60,
	'--start' => '2019-10-01 01:10:00', '--minutes' => 1, '--bad' => 0.02);
my %written;
for my $key (files_below($dir{now}))
{
	my $counted = chance(0.2) ? with_quantity(slurp_file("$dir{now}/$key")) : undef;
	write_file("$dir{now}/$key", $counted) if defined $counted;
	my $with_ids = chance(0.4) ? with_ids(slurp_file("$dir{now}/$key"), \%written) : undef;
	write_file("$dir{now}/$key", $with_ids) if defined $with_ids;
}
my @keys = files_below($dir{now});
my %late = map { $_ => 1 } grep { /-[1-4][0-9]-/ && chance(0.3) } @keys;
my %to = map { $_ => chance(0.7) ? $dir{in} : $dir{in_b} } @keys;
my %kept = (old => csv((map { event(event_time => "2019-08-01 10:00:0$_ UTC") } 1 .. 9), event(price => 'x'), event(event_time => '2099-10-01 03:00:00 UTC'),
		map { event(event_time => "2019-10-01 03:00:$_ UTC") } 10 .. 30),
	'2019-10-01-02-20-put-together' => put_together(),
	all_old => csv(map { event(event_time => "2019-07-01 10:00:0$_ UTC") } 1 .. 9));

value("SELECT sellometer_add_source('a', 'file://$dir{in}/', archive_url => 'file://$dir{out}/');
	SELECT sellometer_add_source('b', 'file://$dir{in_b}/');
	UPDATE sellometer.sources SET same_content = 'skip' WHERE name = 'b';
	SELECT sellometer_add_source('c', 'file://$dir{in_c}/', archive_url => 'file://$dir{out_c}/', format => '{\"columns\": {\"event_time\": \"ts\",
		\"event_type\": \"what\", \"product_id\": \"item\", \"price\": \"amount\", \"user_session\": \"session\", \"quantity\": \"pieces\"}, \"delimiter\": \";\",
		\"decimal\": \",\", \"time\": \"s\", \"events\": {\"page_view\": \"view\", \"add\": \"cart\", \"order\": \"purchase\"}}')");
link_object($dir{now}, $to{$_}, $_) foreach (grep { !$late{$_} } @keys);
wait_until_loaded($node);
link_object($dir{now}, $to{$_}, $_) foreach (shuffled(sort keys %late));
write_object($dir{in_c}, "2019-10-01-0$_-foreign.csv", foreign($_)) foreach (2, 0, 1);
write_object($dir{in}, "$_.csv", $kept{$_}) foreach (sort keys %kept);
wait_until($node, 'SELECT count(*) = ' . (@keys + 6) . ' FROM sellometer.objects');
wait_until_loaded($node);
value('CALL sellometer_rollup()');
is(value("SELECT count(*) FROM sellometer.objects WHERE state <> 'done'"), '0', 'all is loaded');
cmp_ok(value('SELECT count(DISTINCT object_id) FROM sellometer.object_parts'), '>', 0, 'of which some in parts');

all_is_well('as loaded', calls => 30);
oracle_says_so('as loaded');
is(value("SELECT count(*) > 0 FROM found WHERE $_"), 't', "there are rows: $_") foreach ("verdict = 'duplicate'", "verdict = 'expired'", "reason = 'clock_jump'",
	"reason = 'bad_price' AND product_id IS NOT NULL", "verdict = 'counted' AND quantity > 1", "verdict = 'duplicate' AND object <> counted_object", "verdict = 'duplicate' AND event_id IS NOT NULL");
is(value("SELECT event_time, verdict FROM sellometer_events('product_id', '1', '2019-07-01', '2019-08-02') ORDER BY 1 LIMIT 1"),
	'2019-07-01 10:00:01+00|expired', 'what was too old when it was loaded is found by its time, where no tier reaches');
is(value("SELECT count(*), count(DISTINCT verdict) FROM sellometer_events(NULL, NULL, '2019-07-01', '2019-08-02')"), '18|1', '... all of it');
# what a rejected row tells is asked for as of any other
my ($bad_product, $bad_time) = split(/\|/, value("SELECT product_id, event_time FROM found f WHERE reason = 'bad_price' AND object <> 'old.csv'
	AND event_time BETWEEN (SELECT first_event FROM sellometer.objects o WHERE o.key = f.object) AND (SELECT last_event FROM sellometer.objects o WHERE o.key = f.object)
	ORDER BY 1, 2 LIMIT 1"));
like(value("SELECT verdict, reason, detail FROM sellometer_events('product_id', '$bad_product', '$bad_time', '$bad_time'::timestamptz + interval '1 s') WHERE verdict = 'rejected'"),
	qr/^rejected\|bad_price\|price /, 'a row without a price is found by its product and time');
like(value("SELECT verdict, reason FROM sellometer_events('brand', (SELECT brand FROM found WHERE reason = 'bad_price' AND product_id = $bad_product LIMIT 1),
	'$bad_time', '$bad_time'::timestamptz + interval '1 s') WHERE product_id = $bad_product AND verdict = 'rejected'"), qr/^rejected\|bad_price/, '... and by its brand');

# --- archived, replayed, replaced, taken out ---

value('CALL sellometer_archive()');
cmp_ok(value("SELECT count(*) FROM sellometer.objects WHERE state = 'archived'"), '>', 100, 'most objects are archived');
all_is_well('archived');
# why a row was rejected for its time, or for what is no row of its header, its object's rejected rows tell, unless they may be several
my $columns = "source, object, event_time, product_id, user_session, verdict, counted_time,
	CASE WHEN coalesce(reason, 'future') NOT IN ('future', 'clock_jump', 'bad_quote', 'column_count', 'too_long') THEN reason END AS reason";
is(value("WITH b AS (SELECT $columns FROM before), a AS (SELECT $columns FROM found)
	(SELECT 'missing', * FROM (TABLE b EXCEPT ALL TABLE a) x LIMIT 3) UNION ALL (SELECT 'unexpected', * FROM (TABLE a EXCEPT ALL TABLE b) x LIMIT 3)"), '',
	'... and each row has the verdict and the reason that it had before');
is(value("SELECT source, object, reason, count(*) FROM found WHERE verdict = 'rejected' AND reason IS NOT NULL GROUP BY 1, 2, 3
	EXCEPT SELECT source, object, reason, n FROM (SELECT source, object, reason, generate_series(1, count(*)) AS n FROM before WHERE verdict = 'rejected' GROUP BY 1, 2, 3) b LIMIT 3"), '',
	'... no other one');
is(value("SELECT count(*) FILTER (WHERE reason IS NULL) < count(*) / 2 FROM found WHERE verdict = 'rejected' AND archive IS NOT NULL AND event_time > '2019-10-03'"), 't', '... and most have one');

value("SELECT sellometer_replay('a', '2019-10-01 00:30', '2019-10-01 03:00')");
all_is_well('after a replay');

sub put
{
	my ($key, $content) = @_;
	unlink("$dir{in}/$key");
	write_object($dir{in}, $key, $content);
	value('CALL sellometer_ingest()');
	wait_until($node, "SELECT state = 'failed' FROM sellometer.objects WHERE key = '$key' ORDER BY id DESC LIMIT 1");
	return;
}

for my $key (split(/\n/, value("SELECT key FROM sellometer.objects WHERE state = 'archived' AND source = 'a' AND key !~ 'large|old|gz|together'
	AND rows_total > 5 ORDER BY md5(key || $seed) LIMIT 4")))
{
	my ($header, @lines) = split(/^/m, slurp_file("$dir{now}/$key"));
	put($key, join('', $header, grep { rand() < 0.5 } @lines, $lines[0] =~ s/^2019-10-01 0\d/2019-10-01 00/r));
	is(value("SELECT sellometer_retry('a', '$key', replace => true)"), '1', "$key is replaced");
}
for my $of (split(/\n/, value("(SELECT source, key FROM sellometer.objects WHERE state = 'archived' AND rows_total > 5 AND key !~ 'together' ORDER BY md5(key || $seed) LIMIT 3)
	UNION ALL (SELECT source, key FROM sellometer.objects WHERE state = 'done' AND source = 'b' ORDER BY md5(key || $seed) LIMIT 2)")))
{
	my ($source, $key) = split(/\|/, $of);
	cmp_ok(value("SELECT sellometer_unload('$source', '$key')"), '>', 0, "$key of $source is taken out");
}
all_is_well('after replace and unload', taken_out => 1);

# --- who is in the way of whom ---

my $session = $node->background_psql('shop', on_error_stop => 1);
$session->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ; CREATE TEMP TABLE seen AS SELECT verdict, count(*) FROM sellometer_events(NULL, NULL, NULL, NULL) GROUP BY 1');
write_object($dir{in}, '2019-10-01-05-00-new.csv', csv(map { event(event_time => "2019-10-01 05:0$_:00 UTC", event_type => 'purchase') } 0 .. 9));
wait_until($node, "SELECT count(*) = 1 FROM sellometer.objects WHERE key = '2019-10-01-05-00-new.csv' AND state = 'done'");
my $archived = value("SELECT count(*) FROM sellometer.objects WHERE state = 'archived'");
value('CALL sellometer_archive()');
cmp_ok(value("SELECT count(*) FROM sellometer.objects WHERE state = 'archived'"), '>', $archived, 'who looks keeps nobody from archiving');
is($session->query_safe('TABLE seen EXCEPT SELECT verdict, count(*) FROM sellometer_events(NULL, NULL, NULL, NULL) GROUP BY 1'), '',
	'... and sees what was there when his transaction began, also of files that have gone into archives since');
$session->query_safe('COMMIT');
$session->quit;

$session = $node->background_psql('shop', on_error_stop => 0);

$session->{stdin} .= "SELECT count(*) FROM generate_series(1, 100000) g CROSS JOIN LATERAL sellometer_events('brand', CASE WHEN g < 0 THEN 'x' END, NULL, NULL);\n";
$session->{run}->pump_nb;
wait_until($node, "SELECT count(*) = 1 FROM sellometer.progress WHERE task = 'events' AND phase = 'read' AND objects_done > 0 AND objects_total > objects_done");
pass('progress is shown');
value("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query ~ '100000'  AND pid <> pg_backend_pid()");
wait_until($node, "SELECT count(*) = 0 FROM sellometer.progress WHERE task = 'events'");
pass('... and it can be cancelled');
$session->quit;

# --- rights ---

like(said("CREATE ROLE reader; SELECT sellometer_grant_reader('reader'); SET ROLE reader; SELECT * FROM sellometer_events(NULL, NULL, NULL, NULL)"),
	qr/permission denied for function sellometer_events/, 'a reader of sums is no reader of rows');
is(value("CREATE ROLE analyst; GRANT EXECUTE ON FUNCTION sellometer_events TO analyst; SET ROLE analyst;
	SELECT count(*) > 0 FROM sellometer_events('product_id', '1', '2019-10-01', '2019-10-02')"), 't', 'EXECUTE is all that it takes');
like(said('SET ROLE analyst; SELECT * FROM sellometer.secret'), qr/permission denied/, '... and it gives nothing else');

# --- what is there, and what is not ---

my ($hour) = split(/\n/, value("SELECT key FROM sellometer.archives WHERE source = 'a' AND archived_at IS NOT NULL AND key ~ '-01.csv' AND originals_deleted_at IS NOT NULL ORDER BY id LIMIT 1"));
rename("$dir{out}/$hour", "$dir{out}/away") or die;
like(said("SELECT count(*) FROM sellometer_events('brand', 'acme', '2019-10-01 01:00Z', '2019-10-01 02:00Z')"),
	qr/WARNING:  archive "$hour" of source "a" is gone: \d+ rows that were loaded can't be looked at/, 'an archive that is gone is told');
unlike(said("SELECT count(*) FROM sellometer_events('brand', 'acme', '2019-10-01 05:00Z', '2019-10-01 06:00Z')"), qr/WARNING/, '... where it is needed: nothing else is fetched');
rename("$dir{out}/away", "$dir{out}/$hour") or die;

my ($renamed, $gone) = split(/\n/, value("SELECT key FROM sellometer.objects WHERE state = 'done' AND source = 'b' AND rows_total > 3 ORDER BY id LIMIT 2"));
rename("$dir{in_b}/$renamed", "$dir{in_b}/renamed.csv") or die;
wait_until($node, "SELECT count(*) = 1 FROM sellometer.objects WHERE key = 'renamed.csv' AND state = 'skipped'");
unlike(said('SELECT count(*) FROM sellometer_events(NULL, NULL, NULL, NULL)'), qr/WARNING/, 'what is elsewhere now is read there');
find_all();
is(value("SELECT count(*) FROM found WHERE object = '$renamed'"), value("SELECT rows_total FROM sellometer.objects WHERE key = '$renamed' AND state = 'done'"), '... with the name that it counted under');
unlink("$dir{in_b}/$gone") or die;
like(said('SELECT count(*) FROM sellometer_events(NULL, NULL, NULL, NULL)'), qr/WARNING:  object "$gone" of source "b" is gone: \d+ rows/, 'a file that is gone is told');
value("SELECT sellometer_declare_lost('b', '$gone')");
like(said('SELECT count(*) FROM sellometer_events(NULL, NULL, NULL, NULL)'), qr/WARNING:  object "$gone" of source "b" is gone: \d+ rows/, '... also once it was declared lost');

# --- labels ---

find_all();
value("SELECT sellometer_override_category('x.y.z', product_id => 900000000003, since => '2019-10-01 02:00Z')");
find_all();
is(value("SELECT DISTINCT verdict FROM before EXCEPT SELECT DISTINCT verdict FROM found"), '', 'under a label that was set for the past');
is(value("SELECT count(*) FROM (SELECT source, object, line, verdict FROM before EXCEPT SELECT source, object, line, verdict FROM found) d"), '0', '... each row has the verdict that it had');
is(value("SELECT DISTINCT category_code, category_l3 FROM found WHERE product_id = 900000000003 AND object ~ 'together'"), 'a.b|x.y.z', '... and the label that a replay gives it');

# --- without the view log ---

value("UPDATE sellometer.state SET views_from = '2019-10-01 02:30Z'; DELETE FROM sellometer.view_log WHERE hour < '2019-10-01 02:00Z'");
find_all();
is(value("SELECT b.*, f.verdict FROM before b JOIN found f USING (source, object, line, archive)
	WHERE b.verdict <> f.verdict AND (f.verdict <> 'unknown' OR (b.type <> 'view' OR b.user_session IS NULL) AND b.event_id IS NULL) LIMIT 3"), '', 'where the log does not reach back, nothing is guessed');
cmp_ok(value("SELECT count(*) FROM found WHERE verdict = 'unknown'"), '>', 0, '... it says that it is not known');
is(value("SELECT count(*) FROM found WHERE verdict = 'unknown' AND (type <> 'view' OR user_session IS NULL) AND event_id IS NULL"), '0', '... of views of sessions, and events with ids, alone');
cmp_ok(value("SELECT count(*) FROM found WHERE verdict = 'duplicate' AND event_time >= '2019-10-01 02:30Z'"), '>', 0, '... duplicates are known as far as the log reaches');

# --- what is asked for ---

like(said("SELECT sellometer_events('colour', 'red', NULL, NULL)"), qr/there is no dimension "colour"/, 'no such dimension');
like(said("SELECT sellometer_events(NULL, 'red', NULL, NULL)"), qr/there is no dimension/, 'a key of none');
like(said("SELECT sellometer_events('brand', 'acme', NULL, NULL, 'sale')"), qr/there is no event type "sale"/, 'no such event type');
like(said("SELECT sellometer_events('product_id', 'acme', NULL, NULL)"), qr/key "acme" is no product_id/, 'no such key');
like(said("SELECT sellometer_events('brand', 'acme', '2019-10-01', '2019-10-01')"), qr/the range of the events is empty/, 'an empty range');
unlike(said("SELECT sellometer_events('brand', '''; DROP TABLE x', '2019-10-01', '2019-10-02')"), qr/ERROR/, 'a key is a key');

$node->stop;
done_testing();
