# Dimensions of one's own: whatever comes of files in any order, of dimensions that are added, dropped and filled meanwhile, of replay, unload, replace and
# archives, is what plain SQL makes of the rows that are left.
# SLM_SEEDS: which seeds to run, e.g. "1-100" or "7" (default: three).
use strict;
use warnings FATAL => 'all';

use PostgreSQL::Test::Utils;
use SlmHistory;
use SlmRandom;
use SlmTest;
use Test::More;

my $node = slm_node('dimensions', conf => "fsync = off\nlog_checkpoints = off\nsellometer.poll_interval = 50ms\nsellometer.debug_chunk_rows = 300\nsellometer.live_lateness = 10min\n");
die 'needs an extension that was built with COPT=-DUSE_ASSERT_CHECKING' if !can_make_chunks_small($node);
my ($first, $last) = ($ENV{SLM_SEEDS} // '1-3') =~ /^(\d+)(?:-(\d+))?$/;

my @COUNTRIES = ('DE', 'FR', 'DE', 'ä', '', '-', ' IT ', 'null', 'y' x 1100);
my @REGIONS = ('eu/de/be', 'eu/de/by', 'eu/fr', 'eu', '', '/x', 'us/ny/nyc/soho', 'us//x');

# All rows that were written, and what the dimensions must hold, as the table of them says.
my $ORACLE = q{
	SET check_function_bodies = off;
	DROP SCHEMA IF EXISTS o CASCADE;
	CREATE SCHEMA o;
	CREATE TABLE o.raw (source text, object text, t timestamptz, type text, product bigint, category text, brand text, price numeric, session text,
		country text, region text);
	CREATE FUNCTION o.key(value text, empty text) RETURNS text LANGUAGE sql
		RETURN coalesce(nullif(CASE WHEN btrim(value) IN ('-', 'null') THEN '' ELSE left(btrim(value), 1000) END, ''), empty);
	CREATE FUNCTION o.levels(value text, n integer) RETURNS text LANGUAGE sql
		RETURN array_to_string((string_to_array(value, '/'))[:n], '/');
	-- the key of a row in a dimension, NULL: none
	CREATE FUNCTION o.key_of(r o.raw, d sellometer.dimensions) RETURNS text LANGUAGE sql
		RETURN CASE WHEN r.t < d.since THEN NULL WHEN d.made_of = 'source' THEN r.source
			WHEN d.column_name = 'geo_country' THEN o.key(r.country, d.empty)
			WHEN d.column_name = 'region' THEN o.key(CASE WHEN d.level = 0 THEN r.region ELSE o.levels(r.region, d.level) END, d.empty)
			WHEN d.column_name = 'Brand' THEN o.key(r.brand, d.empty) END;
	CREATE FUNCTION o.counted() RETURNS SETOF o.raw LANGUAGE sql AS $$
		SELECT * FROM o.raw WHERE type <> 'view' OR session = ''
		UNION ALL
		(SELECT (r).* FROM (SELECT DISTINCT ON (r.session, r.product) r FROM o.raw r
			CROSS JOIN LATERAL (SELECT array_agg(coalesce(o.key_of(r, d), '') COLLATE "C" ORDER BY d.id) AS keys FROM sellometer.dimensions d) k
			WHERE type = 'view' AND session <> ''
			ORDER BY r.session, r.product, r.t, r.price, (r.category || '.x') COLLATE "C", r.brand COLLATE "C", k.keys) x)
	$$;
	-- rows of a dimension in a tier that differ
	CREATE FUNCTION o.diff(tier text, width interval) RETURNS TABLE (what text) LANGUAGE plpgsql AS $$
	DECLARE
		d sellometer.dimensions;
	BEGIN
		CREATE TEMP TABLE counted ON COMMIT DROP AS SELECT * FROM o.counted();
		FOR d IN SELECT * FROM sellometer.dimensions ORDER BY id LOOP
			RETURN QUERY EXECUTE format('
				WITH want AS (SELECT date_bin(%L, c.t, ''2000-01-03 00:00:00+00'') AS event_time, c.type AS event_type, k.key, count(*) AS count, sum(c.price) AS gmv
					FROM counted c CROSS JOIN LATERAL (SELECT o.key_of(c::text::o.raw, $1) AS key) k WHERE k.key IS NOT NULL GROUP BY 1, 2, 3),
				have AS (SELECT event_time, event_type::text, %2$I AS key, count::bigint, gmv FROM sellometer.%3$I)
				SELECT %2$L || '' '' || coalesce(''want '' || w, '''') || coalesce('' have '' || h, '''') FROM want w FULL JOIN have h USING (event_time, event_type, key)
				WHERE w.count IS DISTINCT FROM h.count OR w.gmv IS DISTINCT FROM h.gmv LIMIT 5', width, d.dimension, 'realtime_' || d.dimension || '_' || tier) USING d;
		END LOOP;
		DROP TABLE counted;
	END $$;
};

sub value { return $node->safe_psql('shop', 'SET client_min_messages = warning; ' . $_[0]); }

# --- objects ---

sub row_of
{
	my ($minute) = @_;
	my %row = (
		t => sprintf('2019-10-01 %02d:%02d:%02d', 8 + $minute / 60, $minute % 60, pick(0, 5, 7, 59)), type => pick('view', 'view', 'view', 'purchase', 'cart'),
		product => pick(1 .. 6), category => pick('a.b', 'a.c'), brand => pick('x', 'y'), price => pick('1.50', '2.00', '2.00'),
		session => pick('', map { "s$_" } 1 .. 5), country => pick(@COUNTRIES), region => pick(@REGIONS));

	# mostly the same, so that own keys decide
	($row{category}, $row{brand}, $row{price}) = ('a.b', 'x', '2.00') if chance(0.7);
	return \%row;
}

# One object of a source: not all have all columns, nor in the same order, nor named in the same way.
sub write_rows
{
	my ($dir, $source, $key, @rows) = @_;
	my @columns = shuffled(qw(event_time event_type product_id category_code brand price user_session), (chance(0.9) ? pick('geo_country', 'Geo_Country') : ()), (chance(0.9) ? 'region' : ()), 'other');
	my %of = (event_time => 't', event_type => 'type', product_id => 'product', category_code => 'category', user_session => 'session', geo_country => 'country');
	my $content = join(',', @columns) . "\n";
	my @values;

	for my $row (@rows)
	{
		$row->{country} = '' if !grep { lc eq 'geo_country' } @columns;
		$row->{region} = '' if !grep { $_ eq 'region' } @columns;
		$content .= join(',', map { my $name = $of{ lc $_ } // $_; $name eq 'other' ? '"q,q"' : $name eq 'region' && chance(0.3) ? "\"$row->{region}\"" : $row->{$name} } @columns) . "\n";
		push @values, sprintf("('%s', '%s', '%s+00', %s)", $source, $key, $row->{t}, join(', ', map { "'$row->{$_}'" } qw(type product category brand price session country region)));
	}
	value("DELETE FROM o.raw WHERE source = '$source' AND object = '$key'; INSERT INTO o.raw VALUES " . join(', ', @values));
	write_object($dir, $key, chance(0.3) ? gzipped($content) : $content);
	return;
}

sub key_of { my ($minute) = @_; return sprintf('2019-10-01-%02d-%02d-00-%d.csv', 8 + $minute / 60, $minute % 60, pick(1 .. 1000000)); }

# --- judging ---

sub agrees
{
	my ($name, $only_totals) = @_;

	value('CALL sellometer_rollup()') if chance(0.6);
	is(value(q{SELECT count(*) FROM (SELECT event_time, event_type::text, count, gmv FROM sellometer.totals WHERE tier = 'minute') h
			FULL JOIN (SELECT date_trunc('minute', t) AS event_time, type AS event_type, count(*) AS count, sum(price) AS gmv FROM o.counted() GROUP BY 1, 2) w USING (event_time, event_type)
			WHERE h.count IS DISTINCT FROM w.count OR h.gmv IS DISTINCT FROM w.gmv}), '0', "$name: totals agree");
	return if $only_totals;
	for my $tier (split(/\n/, value(q{SELECT name || ' ' || granularity FROM sellometer.tiers})))
	{
		my ($tier_name, $width) = split(/ /, $tier, 2);

		is(value("SELECT * FROM o.diff('$tier_name', '$width')"), '', "$name: $tier_name agrees");
	}
	is(value("SELECT string_agg(name || ': ' || detail, ', ') FROM sellometer_check() WHERE NOT ok AND name !~ '^(job |objects of|expired rows|arrivals|sources|procedure |loading|locks)' AND name NOT IN ('pg_cron', 'worker', 'failed objects')"),
		'', "$name: sellometer_check() has nothing to say");
	return;
}

# A random key: what the rows behind it come to is what the tier has, and what top says.
sub behind_agrees
{
	my ($name) = @_;

	for my $dimension (split(/\n/, value('SELECT dimension FROM sellometer.dimensions')))
	{
		is(value(qq{SELECT coalesce(sum(count), 0), coalesce(sum(gmv), 0)::numeric(20, 2) FROM sellometer.realtime_${dimension}_minute WHERE $dimension = 'DE' OR $dimension = 'a'}),
			value(qq{SELECT count(*), coalesce(sum(price), 0) FROM (SELECT 'DE' AS k UNION ALL SELECT 'a') k, sellometer_events('$dimension', k, NULL, NULL, NULL) WHERE verdict = 'counted'}), "$name: rows behind $dimension")
			if $dimension =~ /country|shop/;
		is(value(qq{SELECT key, count, gmv FROM sellometer_top('$dimension', 'view', '-infinity', 'infinity', 3)}),
			value(qq{SELECT $dimension, sum(count), sum(gmv)::numeric(20, 2) FROM sellometer.realtime_${dimension}_minute WHERE event_type = 'view' GROUP BY 1 ORDER BY sum(gmv) DESC, 2 DESC, 1 LIMIT 3}),
			"$name: top of $dimension");
	}
	return;
}

# --- one history ---

sub add_dimension
{
	my ($what) = @_;
	my %call = (country => q{'country', 'geo_country'}, region => q{'region', separator => '/', levels => 2, empty => '?'}, shop => q{'shop', of => 'source'},
		whole => q{'whole', 'region'}, label => q{'label', 'Brand'});

	note("  add $what");
	value("SELECT sellometer_add_dimension($call{$what})");
	return;
}

sub load_some
{
	my ($dirs, @minutes) = @_;

	for my $minute (@minutes)
	{
		my $source = pick(qw(a b));

		write_rows($dirs->{$source}, $source, key_of($minute), map { row_of($minute + pick(0, 0, 1, -3)) } 1 .. pick(5, 40));
		wait_until_loaded($node) if chance(0.2);
		next if !chance(0.05);
		$node->stop('immediate');
		$node->start;
	}
	wait_until_loaded($node);
	return;
}

# An object that is loaded or archived: its source and key.
sub some_object { return split(/\|/, value("SELECT source, key FROM sellometer.objects WHERE state IN ('done', 'archived') ORDER BY md5(key || " . pick(1 .. 1000) . ') LIMIT 1')); }

sub unload_some
{
	for (1 .. 2)
	{
		my ($source, $key) = some_object();

		note("  unload $source/$key");
		value("SELECT sellometer_unload('$source', '$key')");
		value("DELETE FROM o.raw WHERE source = '$source' AND object = '$key'");
	}
	return;
}

sub replace_one
{
	my ($dirs) = @_;
	my ($source, $key) = split(/\|/, value("SELECT source, key FROM sellometer.objects WHERE state = 'archived' ORDER BY md5(key) LIMIT 1"));
	my ($hour, $minute) = $key =~ /-(\d\d)-(\d\d)-00-/;

	note("  replace $source/$key");
	write_rows($dirs->{$source}, $source, $key, map { row_of(($hour - 8) * 60 + $minute + pick(0, 1)) } 1 .. 20);
	wait_until($node, "SELECT count(*) > 0 FROM sellometer.objects WHERE key = '$key' AND state = 'failed'");
	is(value("SELECT sellometer_retry('$source', '$key', replace => true)"), '1', "$key is replaced");
	wait_until_loaded($node);
	return;
}

sub history
{
	my ($seed) = @_;
	my %dirs;

	srand($seed);
	note("seed $seed");
	value("DROP EXTENSION IF EXISTS sellometer CASCADE; CREATE EXTENSION sellometer; $ORACLE");
	value("ALTER DATABASE shop SET sellometer.fill_pages = " . pick('on', 'off'));
	for my $source (qw(a b))
	{
		my $dir = slm_directory($node, "dimensions_${seed}_$source");

		mkdir "$dir/$_" foreach (qw(in out));
		$dirs{$source} = "$dir/in";
		value("SELECT sellometer_add_source('$source', 'file://$dir/in/', archive_url => 'file://$dir/out/')");
	}
	add_dimension($_) foreach (chance(0.7) ? ('country', 'region') : ('country'));
	load_some(\%dirs, shuffled(map { 2 * $_ } 0 .. 20));
	agrees("seed $seed, loaded");
	add_dimension('shop');
	value("SELECT sellometer_add_tier('part', '30 minutes', '7 days')") if chance(0.5);
	load_some(\%dirs, shuffled(map { 3 * $_ } 5 .. 40));
	agrees("seed $seed, one more");
	unload_some();
	agrees("seed $seed, some taken out");
	behind_agrees("seed $seed");

	value('CALL sellometer_rollup(); CALL sellometer_archive()');
	add_dimension($_) foreach ('whole', 'label');
	load_some(\%dirs, shuffled(map { 4 * $_ } 10 .. 40));
	value("SELECT sellometer_replay('a', '2019-10-01 09:00+00', '2019-10-01 10:00+00')");
	agrees("seed $seed, part of it made anew");
	value("SELECT sellometer_replay('a', '2019-10-01 09:00+00', 'infinity')");
	is(value(q{SELECT count(*) FROM sellometer.dimensions WHERE since > '2019-10-01 09:00+00'}), '0', "seed $seed: dimensions are filled");
	agrees("seed $seed, filled from nine o'clock on");
	unload_some();
	replace_one(\%dirs);
	agrees("seed $seed, some taken out and replaced");
	value("SELECT sellometer_replay('a', '-infinity', 'infinity')");
	is(value(q{SELECT count(*) FROM sellometer.dimensions WHERE since > '-infinity'}), '0', "seed $seed: dimensions are filled from the beginning on");
	agrees("seed $seed, filled");
	behind_agrees("seed $seed, filled");

	value("SELECT sellometer_drop_dimension('country')");
	is(value(q{SELECT count(*) FROM pg_class WHERE relname LIKE '%country%' AND relnamespace = 'sellometer'::regnamespace}), '0', "seed $seed: nothing is left of what was dropped");
	load_some(\%dirs, shuffled(map { 5 * $_ } 10 .. 40));
	add_dimension('country');
	load_some(\%dirs, 100 .. 130, shuffled(0 .. 5));
	unload_some();
	# which of those at one moment counts may have been decided by what was dropped: it is decided anew by a replay
	agrees("seed $seed, dropped and added again", 'only totals');
	value("SELECT sellometer_replay('a', '-infinity', 'infinity')");
	agrees("seed $seed, dropped, added again and made anew");
	return;
}

# Files that bring a minute too many keys fail whole; with a higher limit they are what they would have been.
sub too_many_keys
{
	my $dir = slm_directory($node, 'dimensions_limit');
	my $rows = sub { my ($first, $last) = @_; map { { t => '2019-10-01 08:00:07', type => 'cart', product => 1, category => 'a.b', brand => 'x', price => '2.00', session => '', country => "k$_", region => 'eu' } } $first .. $last };
	my $state = sub { value("SELECT state, rows_counted FROM sellometer.objects WHERE key = '$_[0]'") };
	my $keys = sub { value('SELECT count(DISTINCT geo) FROM sellometer.geo_minute') };
	my $load = sub {
		my ($key, $first, $last) = @_;

		write_object($dir, $key, "event_time,event_type,product_id,category_code,brand,price,user_session,geo_country,region\n"
			. join('', map { join(',', @$_{qw(t type product category brand price session country region)}) . "\n" } $rows->($first, $last)));
		wait_until($node, "SELECT count(*) > 0 FROM sellometer.objects WHERE key = '$key' AND state IN ('done', 'failed')");
	};

	value('DROP EXTENSION IF EXISTS sellometer CASCADE; CREATE EXTENSION sellometer');
	$node->append_conf('postgresql.conf', 'sellometer.max_minute_keys = 300');
	$node->reload;
	value("SELECT sellometer_add_dimension('geo', 'geo_country')");
	value("SELECT sellometer_add_source('a', 'file://$dir/')");
	$load->('2019-10-01-08-00-00-1.csv', 1, 250);
	is($state->('2019-10-01-08-00-00-1.csv'), 'done|250', 'a minute may have so many own keys');
	$load->('2019-10-01-08-00-00-2.csv', 251, 400);
	is($state->('2019-10-01-08-00-00-2.csv'), 'failed|0', 'a file that brings more of them fails');
	like(value("SELECT error FROM sellometer.objects WHERE state = 'failed'"), qr/^too_many_keys: .* more than 300 .*own keys.* raise sellometer\.max_minute_keys/, '... saying so');
	is($keys->(), '250', '... whole');
	$load->('2019-10-01-08-00-00-3.csv', 100, 249);
	is($state->('2019-10-01-08-00-00-3.csv'), 'done|150', 'one that names what is there does not');
	$node->append_conf('postgresql.conf', 'sellometer.max_minute_keys = 1000');
	$node->reload;
	value("SELECT sellometer_retry('a', '2019-10-01-08-00-00-2.csv')");
	wait_until($node, "SELECT state = 'done' FROM sellometer.objects WHERE key = '2019-10-01-08-00-00-2.csv'");
	is($keys->(), '400', 'with a higher limit it is loaded');
	return;
}

history($_) foreach ($first .. $last // $first);
too_many_keys();
is(join("\n", unexpected_in_log($node, qr/too_many_keys|a counted object has changed|has changed since|a dimension has been added or dropped meanwhile/)), '', 'nothing unexpected in the log');
$node->stop;
done_testing();
